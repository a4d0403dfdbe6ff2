"""Trees to closures: text, conditions, loops, and templates that call each other."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from registrar.gotemplate import fields
from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.lexer import quoted
from registrar.gotemplate.nodes import Action, Branch, Call, Jump, List, Statement, Text
from registrar.gotemplate.pipelines import Fail, Frame, Pipelines, assign, last_node
from registrar.gotemplate.printf import printed, sprint
from registrar.gotemplate.values import Map, Slice, Typed, Value, indirect, plain, truth

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

    # Statements.

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
                return self._text_run(node)
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
    def _text_run(node: Text) -> Run:
        text, size = node.text, len(node.text)

        def run(frame: Frame, _: Value) -> None:
            frame.meter.output(size)
            frame.out.append(text)

        return run

    def _action(self, node: Action) -> Run:
        evaluate = self._pipelines.pipe(node.pipe)
        if node.pipe.variables:

            def declare(frame: Frame, dot: Value) -> None:
                frame.meter.step()
                evaluate(frame, dot)

            return declare
        fail = self._pipelines.failure(node, node.at)

        def run(frame: Frame, dot: Value) -> None:
            meter = frame.meter
            meter.step()
            value = evaluate(frame, dot)
            text = value if type(value) is str else printed(value, meter, fail)
            meter.output(len(text))
            frame.out.append(text)

        return run

    def _condition(self, node: Branch) -> Run:
        evaluate, body = self._pipelines.pipe(node.pipe), self._list(node.body)
        otherwise = None if node.otherwise is None else self._list(node.otherwise)
        sets_dot = node.keyword == "with"

        def run(frame: Frame, dot: Value) -> None:
            frame.meter.step()
            mark = len(frame.variables)
            value = evaluate(frame, dot)
            if truth(value):
                body(frame, value if sets_dot else dot)
            elif otherwise is not None:
                otherwise(frame, dot)
            del frame.variables[mark:]

        return run

    def _range(self, node: Branch) -> Run:
        evaluate, body = self._pipelines.pipe(node.pipe), self._list(node.body)
        otherwise = None if node.otherwise is None else self._list(node.otherwise)
        names = [variable.names[0] for variable in node.pipe.variables]
        assigns = node.pipe.assigns
        # After the pipeline Go is at the node that it looked at last.
        last = last_node(node.pipe)
        fail = self._pipelines.failure(last, last.at)

        def bind(frame: Frame, mark: int, key: Value, element: Value) -> None:
            """Give the loop's variables the values of this turn."""
            pairs = (
                ((names[-1], element),)
                if len(names) == 1
                else zip(names, (key, element), strict=True)
            )
            if not names:
                return
            for place, (name, value) in enumerate(pairs):
                if assigns:
                    assign(frame, name, value, fail)
                else:
                    frame.variables[mark + place] = (name, value)

        def run(frame: Frame, dot: Value) -> None:
            meter = frame.meter
            meter.step()
            mark = len(frame.variables)
            value, _ = indirect(evaluate(frame, dot))
            turned = False
            inner = len(frame.variables)
            try:
                for key, element in _turns(value, len(names), fail):
                    meter.step()
                    turned = True
                    bind(frame, mark, key, element)
                    with contextlib.suppress(_Continue):
                        body(frame, element)
                    del frame.variables[inner:]
            except _Break:
                pass
            del frame.variables[inner:]
            if not turned and otherwise is not None:
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
        fail = self._pipelines.failure(node, node.at)
        runs, name = self._runs, node.name

        def run(frame: Frame, dot: Value) -> None:
            frame.meter.step()
            called = runs.get(name)
            if called is None:
                fail(f"template {quoted(name)} not defined")
            if frame.depth >= frame.meter.limits.depth:
                raise TemplateLimitError(
                    f"templates call each other deeper than {frame.meter.limits.depth}"
                )
            argument = None if evaluate is None else evaluate(frame, dot)
            called(Frame(argument, frame.out, frame.meter, frame.depth + 1), argument)

        return run


def _turns(value: Value, names: int, fail: Fail) -> Iterable[tuple[Value, Value]]:
    """Key and element of each turn of a loop."""
    if value is None:
        return ()
    if isinstance(value, Slice):
        return tuple(enumerate(value.items or ()))
    if isinstance(value, Map):
        return fields.sorted_items(value)
    number = plain(value)
    if type(number) is int:
        if names > 1:
            fail(f"can't use {number} to iterate over more than one variable")
        return _Count(number, value)
    fail(f"range can't iterate over {sprint(value)}")


class _Count:
    """The turns of a loop over a number, made one by one."""

    def __init__(self, end: int, like: Value) -> None:
        self._end = end
        self._like = like

    def __iter__(self) -> Iterator[tuple[Value, Value]]:
        like = self._like
        for number in range(self._end):
            yield None, Typed(like.type, number) if isinstance(like, Typed) else number
