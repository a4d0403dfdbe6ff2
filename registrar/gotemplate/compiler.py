"""Trees to closures: text, conditions, loops, and templates that call each other."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.frames import Frame
from registrar.gotemplate.lexer import quoted
from registrar.gotemplate.nodes import Action, Branch, Call, Jump, List, Statement, Text
from registrar.gotemplate.pipelines import Pipelines
from registrar.gotemplate.printing import printed, shown
from registrar.gotemplate.values import (
    Map,
    Slice,
    Typed,
    Value,
    indirect,
    plain,
    sorted_items,
    truth,
    typed,
)

Run: TypeAlias = Callable[[Frame, Value], None]


class _Break(Exception):  # noqa: N818 - not an error
    pass


class _Continue(Exception):  # noqa: N818 - not an error
    pass


class Compiler:
    """Compiles the trees of one text."""

    def __init__(self, name: str, text: str, trees: Mapping[str, List]) -> None:
        self._trees = trees
        self._pipelines = Pipelines(name, text)
        self._runs: dict[str, Run] = {}

    def compile(self) -> Mapping[str, Run]:
        """The runs of all trees by name."""
        for name, tree in self._trees.items():
            self._pipelines.tree = name
            self._runs[name] = self._list(tree)
        return self._runs

    def _list(self, tree: List) -> Run:
        runs = tuple(self._statement(node) for node in tree.nodes)
        if len(runs) == 1:
            return runs[0]

        def run(frame: Frame, dot: Value) -> None:
            for one in runs:
                one(frame, dot)

        return run

    def _statement(self, node: Statement) -> Run:
        match node:
            case Text():
                return self._text(node)
            case Action():
                return self._action(node)
            case Branch(keyword="range"):
                return self._range(node)
            case Branch():
                return self._condition(node)
            case Jump():
                return self._jump(node)
            case Call():
                return self._call(node)

    @staticmethod
    def _text(node: Text) -> Run:
        text, size = node.text, len(node.text)

        def run(frame: Frame, _: Value) -> None:
            frame.meter.output(size)
            frame.out.append(text)

        return run

    def _action(self, node: Action) -> Run:
        evaluate, place = self._pipelines.pipe(node.pipe), self._pipelines.place(node)
        if node.pipe.variables:

            def declare(frame: Frame, dot: Value) -> None:
                frame.meter.step()
                evaluate(frame, dot)

            return declare

        def run(frame: Frame, dot: Value) -> None:
            meter = frame.meter
            meter.step()
            value = evaluate(frame, dot)
            if type(value) is str:
                text = value
            else:
                frame.place = place
                text = printed(value, frame)
            meter.output(len(text))
            frame.out.append(text)

        return run

    def _otherwise(self, node: Branch) -> Run:
        if node.otherwise is None:
            return lambda _, __: None
        return self._list(node.otherwise)

    def _condition(self, node: Branch) -> Run:
        evaluate, body = self._pipelines.pipe(node.pipe), self._list(node.body)
        otherwise = self._otherwise(node)
        sets_dot = node.keyword == "with"

        def run(frame: Frame, dot: Value) -> None:
            frame.meter.step()
            mark = len(frame.variables)
            value = evaluate(frame, dot)
            if truth(value):
                body(frame, value if sets_dot else dot)
            else:
                otherwise(frame, dot)
            del frame.variables[mark:]

        return run

    def _range(self, node: Branch) -> Run:
        evaluate, body = self._pipelines.pipe(node.pipe), self._list(node.body)
        otherwise = self._otherwise(node)
        names = [variable.names[0] for variable in node.pipe.variables]
        bind = _binding(names, assigns=node.pipe.assigns)

        def run(frame: Frame, dot: Value) -> None:
            meter = frame.meter
            meter.step()
            mark = len(frame.variables)
            value, _ = indirect(evaluate(frame, dot))
            inner = len(frame.variables)
            turned = False
            try:
                for key, element in _turns(value, len(names), frame):
                    meter.step()
                    turned = True
                    bind(frame, key, element)
                    with contextlib.suppress(_Continue):
                        body(frame, element)
                    del frame.variables[inner:]
            except _Break:
                pass
            del frame.variables[inner:]
            if not turned:
                otherwise(frame, dot)
            del frame.variables[mark:]

        return run

    @staticmethod
    def _jump(node: Jump) -> Run:
        error = _Break if node.keyword == "break" else _Continue

        def run(frame: Frame, _: Value) -> None:
            frame.meter.step()
            raise error

        return run

    def _call(self, node: Call) -> Run:
        evaluate = None if node.pipe is None else self._pipelines.pipe(node.pipe)
        place, runs, name = self._pipelines.place(node), self._runs, node.name

        def run(frame: Frame, dot: Value) -> None:
            frame.meter.step()
            frame.place = place
            called = runs.get(name)
            if called is None:
                frame.fail(f"template {quoted(name)} not defined")
            if frame.depth >= frame.meter.limits.depth:
                raise TemplateLimitError(
                    f"templates call each other deeper than {frame.meter.limits.depth}"
                )
            argument = None if evaluate is None else evaluate(frame, dot)
            called(Frame(argument, frame.out, frame.meter, frame.depth + 1), argument)

        return run


def _binding(names: list[str], *, assigns: bool) -> Callable[[Frame, Value, Value], None]:
    """Gives the variables of a loop the values of a turn: the element, or key and element."""

    def bind(frame: Frame, key: Value, element: Value) -> None:
        values = (element,) if len(names) == 1 else (key, element)
        if assigns:
            for name, value in zip(names, values, strict=False):
                frame.assign(name, value)
        elif names:
            # The pipeline has declared them; they are the last that there are.
            frame.variables[-len(names) :] = zip(names, values, strict=True)

    return bind


def _turns(value: Value, names: int, frame: Frame) -> Iterable[tuple[Value, Value]]:
    """Key and element of each turn of a loop."""
    if value is None:
        return ()
    if isinstance(value, Slice):
        return enumerate(value.items or ())
    if isinstance(value, Map):
        frame.meter.sort(len(value.items or ()))
        return sorted_items(value)
    number = plain(value)
    if type(number) is int:
        if names > 1:
            frame.fail(f"can't use {number} to iterate over more than one variable")
        return _count(number, value)
    frame.fail(f"range can't iterate over {shown(value, meter=frame.meter)}")


def _count(end: int, like: Value) -> Iterator[tuple[Value, Value]]:
    """The turns of a loop over a number, made one by one."""
    for number in range(end):
        yield None, typed(like.type, number) if isinstance(like, Typed) else number
