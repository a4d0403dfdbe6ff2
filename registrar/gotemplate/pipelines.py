"""Pipelines to closures: what is evaluated is decided once, what it reads each time.

Each closure notes in its frame the node that it looks at, in the order in which
Go does: that is the node that the next error names.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from registrar.gotemplate import fields
from registrar.gotemplate.arguments import MISSING, Argument, Call, Evaluate, Passed, validated
from registrar.gotemplate.builtins import BUILTINS
from registrar.gotemplate.frames import Frame, Place
from registrar.gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    String,
    Variable,
)
from registrar.gotemplate.values import Value, opened, plain, truth, type_of

Stage: TypeAlias = Callable[[Frame, Value, Passed], Value]
_OPERANDS_OF_A_STEP = 4


class Pipelines:
    """Compiles the pipelines of one text. ``tree`` names the template that they stand in."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self.tree = name

    def place(self, node: Node) -> Place:
        """The node as errors name it."""
        return Place(self._name, self._text, self.tree, node, node.at)

    def pipe(self, pipe: Pipe, *, is_inner: bool = False) -> Evaluate:
        """A pipeline; its variables are declared or assigned each time.

        One that lies within another was counted with that.
        """
        place = self.place(pipe)
        first, *rest = [self._command(command) for command in pipe.commands]
        names = [variable.names[0] for variable in pipe.variables]
        assigns = pipe.assigns
        steps = 0 if is_inner else _size(pipe) // _OPERANDS_OF_A_STEP
        if not rest and not names:

            def evaluate_one(frame: Frame, dot: Value) -> Value:
                frame.place = place
                if steps:
                    frame.meter.charge(steps)
                return opened(first(frame, dot, MISSING))

            return evaluate_one

        def evaluate(frame: Frame, dot: Value) -> Value:
            frame.place = place
            if steps:
                frame.meter.charge(steps)
            value = opened(first(frame, dot, MISSING))
            for stage in rest:
                value = opened(stage(frame, dot, value))
            for name in names:
                if assigns:
                    frame.assign(name, value)
                else:
                    frame.variables.append((name, value))
            return value

        return evaluate

    def _command(self, command: Command) -> Stage:
        first, *rest = command.args
        match first:
            case Field():
                return self._chain(self._dot(first), first.names, first, rest)
            case Chain():
                return self._chain(self._chain_base(first), first.names, first, rest)
            case Variable(names=[_]):
                return self._alone(self._variable(first), first, rest)
            case Variable():
                return self._chain(self._variable(first), first.names[1:], first, rest)
            case Identifier():
                return self._function(first, command, rest)
            case Pipe():
                return self._alone(self.pipe(first, is_inner=True), first, rest)
            case _:
                return self._alone(self._constant(first), first, rest, self.place(first))

    def operand(self, node: Operand) -> Evaluate:
        """A value in an argument's place."""
        match node:
            case Field():
                stage = self._chain(self._dot(node), node.names, node, ())
            case Chain():
                stage = self._chain(self._chain_base(node), node.names, node, ())
            case Variable(names=[_]):
                return self._variable(node)
            case Variable():
                stage = self._chain(self._variable(node), node.names[1:], node, ())
            case Pipe():
                return self.pipe(node, is_inner=True)
            case Identifier():
                stage = self._function(node, node, ())
            case _:
                return self._constant(node)
        return lambda frame, dot: stage(frame, dot, MISSING)

    def _argument(self, node: Operand) -> Argument:
        return Argument(node, self.place(node), self.operand(node))

    @staticmethod
    def _alone(
        value: Evaluate, node: Operand, rest: Sequence[Operand], place: Place | None = None
    ) -> Stage:
        """Something that takes no arguments; a constant is looked at before that is said."""
        has_arguments = bool(rest)

        def evaluate(frame: Frame, dot: Value, final: Passed) -> Value:
            if place is not None:
                frame.place = place
            if has_arguments or final is not MISSING:
                if isinstance(node, Variable):
                    # Go has looked it up by then.
                    value(frame, dot)
                frame.fail(f"can't give argument to non-function {node}")
            return value(frame, dot)

        return evaluate

    def _dot(self, node: Operand) -> Evaluate:
        place = self.place(node)

        def evaluate(frame: Frame, dot: Value) -> Value:
            frame.place = place
            return dot

        return evaluate

    def _constant(self, node: Operand) -> Evaluate:
        match node:
            case Bool() | String():
                constant: Value = node.value
                return lambda _, __: constant
            case Dot():
                return lambda _, dot: dot
            case Number():
                return _number(node)
            case Nil():
                return lambda frame, _: frame.fail("nil is not a command")
        raise TypeError(f"{node} is no constant")

    def _variable(self, node: Variable) -> Evaluate:
        name, place = node.names[0], self.place(node)

        def evaluate(frame: Frame, _: Value) -> Value:
            frame.place = place
            return frame.variable(name)

        return evaluate

    def _chain_base(self, chain: Chain) -> Evaluate:
        place, value = self.place(chain.node), self.operand(chain.node)

        def evaluate(frame: Frame, dot: Value) -> Value:
            frame.place = place
            return value(frame, dot)

        return evaluate

    def _chain(
        self, base: Evaluate, names: Sequence[str], node: Operand, rest: Sequence[Operand]
    ) -> Stage:
        """Fields or methods of something, one after the other; the last may take arguments."""
        *inner, last = names
        place = self.place(node)
        arguments = tuple(self._argument(argument) for argument in rest)
        look_up, look_up_with = fields.look_up, fields.look_up_with

        def evaluate(frame: Frame, dot: Value, final: Passed) -> Value:
            value = base(frame, dot)
            for name in inner:
                value = look_up(value, name, frame, place)
            if not arguments and final is MISSING:
                return look_up(value, last, frame, place)
            return look_up_with(value, last, frame, dot, Call(place, arguments, final))

        return evaluate

    def _function(
        self, node: Identifier, command: Command | Identifier, rest: Sequence[Operand]
    ) -> Stage:
        name, builtin = node.name, BUILTINS[node.name]
        place, whole = self.place(node), self.place(command)
        arguments = tuple(self._argument(argument) for argument in rest)
        if name in {"and", "or"}:
            return _lazy(name, place, arguments)
        wanted = [builtin.parameter(number) for number in range(len(arguments) + 1)]
        is_call = name == "call"

        def evaluate(frame: Frame, dot: Value, final: Passed) -> Value:
            frame.place = place
            frame.meter.step()
            problem = builtin.miscount(name, len(arguments), has_final=final is not MISSING)
            if problem:
                frame.fail(problem)
            given = [
                argument.value(frame, dot, typ)
                for argument, typ in zip(arguments, wanted, strict=False)
            ]
            if final is not MISSING:
                given.append(validated(final, wanted[-1], frame))
            try:
                if is_call:
                    return _called(arguments, given[0])
                return builtin.call(given, frame.meter)
            except ValueError as error:
                frame.place = whole
                frame.fail(f"error calling {name}: {error}")

        return evaluate


def _size(pipe: Pipe) -> int:
    """How much is evaluated in a pipeline, besides the functions, which count their own steps."""
    return sum(_operand_size(operand) for command in pipe.commands for operand in command.args)


def _operand_size(node: Operand) -> int:
    match node:
        case Pipe():
            return 1 + _size(node)
        case Chain():
            return len(node.names) + _operand_size(node.node)
        case Field() | Variable():
            return len(node.names)
        case _:
            return 1


def _lazy(name: str, place: Place, arguments: Sequence[Argument]) -> Stage:
    """``and`` and ``or``: the first argument that settles it, the others are not looked at."""
    wanted = name == "or"

    def evaluate(frame: Frame, dot: Value, final: Passed) -> Value:
        frame.place = place
        frame.meter.step()
        if not arguments and final is MISSING:
            frame.fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: Value = None
        for argument in arguments:
            value = argument.value(frame, dot, None)
            if truth(value) is wanted:
                return value
        return value if final is MISSING else final

    return evaluate


def _called(arguments: Sequence[Argument], value: Value) -> Value:
    """``call``: nothing in the data is a function. Raises ValueError, which says so."""
    value = opened(value)
    if value is None:
        raise ValueError("call of nil")
    typ = type_of(value).name
    if arguments:
        name = str(arguments[0].node)
    else:
        text = plain(value)
        name = text if isinstance(text, str) else f"<{typ} Value>"
    raise ValueError(f"non-function {name} of type {typ}")


def _number(node: Number) -> Evaluate:
    """The constant under the type that Go gives it where none is asked for."""
    text = node.source
    value: Value = None
    is_hex = text[:2] in {"0x", "0X"} and not any(char in text for char in "pP")
    has_point = any(char in text for char in ".eEpP")
    if node.complex_ is not None:
        value = node.complex_
    elif node.real is not None and has_point and not is_hex and not text.startswith("'"):
        value = node.real
    elif node.integer is not None:
        value = node.integer
    else:
        return lambda frame, _: frame.fail(f"{text} overflows int")
    return lambda _, __: value
