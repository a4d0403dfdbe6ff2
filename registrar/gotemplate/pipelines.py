"""Pipelines to closures: what is evaluated is decided once, what it reads each time."""

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from registrar.gotemplate import fields
from registrar.gotemplate.builtins import BUILTINS, Builtin
from registrar.gotemplate.errors import TemplateExecError
from registrar.gotemplate.lexer import quoted
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Number,
    Operand,
    Pipe,
    String,
    Variable,
)
from registrar.gotemplate.values import NilInterface, Value, plain, truth, type_of

MISSING = object()
"""No argument comes from the stage before."""


class Frame:
    """One run of one tree: its variables, and where the output goes."""

    __slots__ = ("depth", "meter", "out", "variables")

    def __init__(self, dot: Value, out: list[str], meter: Meter, depth: int) -> None:
        self.variables: list[tuple[str, Value]] = [("$", dot)]
        self.out = out
        self.meter = meter
        self.depth = depth


Evaluate: TypeAlias = Callable[[Frame, Value], Value]
Final: TypeAlias = Callable[[Frame, Value, object], Value]
Fail: TypeAlias = Callable[[str], NoReturn]


class Pipelines:
    """Compiles the pipelines of one text. ``tree`` names the template that they stand in."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self.tree = name

    def failure(self, node: object, at: int) -> Fail:
        """Raises TemplateExecError that names this place."""
        tree, shown = self.tree, str(node)
        line = self._text.count("\n", 0, at) + 1
        start = self._text.rfind("\n", 0, at) + 1
        column = len(self._text[start:at].encode("utf-8", "surrogateescape"))
        head = f"template: {self._name}:{line}:{column}: executing {quoted(tree)} at <{shown}>: "

        def fail(message: str) -> NoReturn:
            raise TemplateExecError(head + message)

        return fail

    def pipe(self, pipe: Pipe) -> Evaluate:
        """A pipeline; its variables are declared or assigned each time."""
        before: Operand = pipe
        compiled = []
        for command in pipe.commands:
            compiled.append(self._command(command, before))
            before = _last_of(command)
        stages = tuple(compiled)
        names = [variable.names[0] for variable in pipe.variables]
        seen = last_node(pipe)
        assigns, fail = pipe.assigns, self.failure(seen, seen.at)
        first = stages[0]
        if len(stages) == 1 and not names:
            return lambda frame, dot: _opened(first(frame, dot, MISSING))

        def evaluate(frame: Frame, dot: Value) -> Value:
            value = _opened(first(frame, dot, MISSING))
            for stage in stages[1:]:
                value = _opened(stage(frame, dot, value))
            for name in names:
                if assigns:
                    assign(frame, name, value, fail)
                else:
                    frame.variables.append((name, value))
            return value

        return evaluate

    def _command(self, command: Command, before: Operand) -> Final:
        """``before`` is the node that Go looked at before this command."""
        first, *rest = command.args
        match first:
            case Field():
                return self._fields(_dot, first.names, first, rest)
            case Chain():
                return self._fields(self._chain_base(first), first.names, first, rest)
            case Variable(names=[_]):
                return self._no_function(self._variable(first), first, rest)
            case Variable():
                return self._fields(self._variable(first), first.names[1:], first, rest)
            case Identifier():
                return self._function(first, command, rest)
            case Pipe():
                return self._no_function(self.pipe(first), first, rest, before)
            case Nil():
                return self._refusal(first, rest, "nil is not a command")
            case _:
                return self._no_function(self._constant(first), first, rest)

    def _refusal(self, node: Operand, rest: Sequence[Operand], message: str) -> Final:
        fail = self.failure(node, node.at)

        def evaluate(_: Frame, __: Value, final: object) -> Value:
            if rest or final is not MISSING:
                fail(f"can't give argument to non-function {node}")
            fail(message)

        return evaluate

    def _no_function(
        self,
        value: Evaluate,
        node: Operand,
        rest: Sequence[Operand],
        before: Operand | None = None,
    ) -> Final:
        """Something that takes no arguments."""
        place = before or node
        fail = self.failure(place, place.at)
        has_arguments = bool(rest)

        def evaluate(frame: Frame, dot: Value, final: object) -> Value:
            if has_arguments or final is not MISSING:
                fail(f"can't give argument to non-function {node}")
            return value(frame, dot)

        return evaluate

    def _constant(self, node: Operand) -> Evaluate:
        match node:
            case Bool() | String():
                constant: Value = node.value
                return lambda _, __: constant
            case Dot():
                return _dot
            case Number():
                return self._number(node)
        raise TypeError(f"{node} is no constant")

    def _number(self, node: Number) -> Evaluate:
        """The constant under the type that Go gives it where none is asked for."""
        fail = self.failure(node, node.at)
        text = node.source
        value: Value = None
        is_hex = text[:2] in {"0x", "0X"} and not any(char in text for char in "pP")
        if node.complex_ is not None:
            value = node.complex_
        elif (
            node.real is not None
            and not is_hex
            and not text.startswith("'")
            and any(char in text for char in ".eEpP")
        ):
            value = node.real
        elif node.integer is not None:
            value = node.integer
        else:
            return lambda _, __: fail(f"{text} overflows int")
        return lambda _, __: value

    def _variable(self, node: Variable) -> Evaluate:
        name = node.names[0]
        fail = self.failure(node, node.at)

        def evaluate(frame: Frame, _: Value) -> Value:
            for known, value in reversed(frame.variables):
                if known == name:
                    return value
            fail(f"undefined variable: {name}")

        return evaluate

    def _chain_base(self, chain: Chain) -> Evaluate:
        if isinstance(chain.node, Nil):
            fail = self.failure(chain, chain.at)
            return lambda _, __: fail(f"indirection through explicit nil in {chain}")
        return self._operand(chain.node)

    def _fields(
        self, base: Evaluate, names: Sequence[str], node: Operand, rest: Sequence[Operand]
    ) -> Final:
        """Fields or methods of something, one after the other; the last may take arguments."""
        seen = last_node(node.node) if isinstance(node, Chain) else node
        fail = self.failure(seen, seen.at)
        *inner, last = names
        arguments = tuple(self._operand(arg) for arg in rest)
        sources = tuple((source, self.failure(source, source.at)) for source in rest)
        look = fields.look_up

        def evaluate(frame: Frame, dot: Value, final: object) -> Value:
            value = base(frame, dot)
            for name in inner:
                value = look(value, name, fail)
            if not arguments and final is MISSING:
                return look(value, last, fail)
            given = [argument(frame, dot) for argument in arguments]
            if final is not MISSING:
                given.append(final)  # type: ignore[arg-type]
            return fields.call_method(value, last, given, fail, sources)

        return evaluate

    def _function(
        self, node: Identifier, command: Command | Identifier, rest: Sequence[Operand]
    ) -> Final:
        builtin = BUILTINS[node.name]
        fail = self.failure(node, node.at)
        failed = self.failure(command, command.at)
        if builtin.is_lazy:
            return self._lazy(node.name, rest, fail)
        if node.name == "call":
            return self._call_function(rest, fail, failed)
        arguments = tuple(self._argument(arg, builtin, place) for place, arg in enumerate(rest))
        name, call = node.name, builtin.call

        def evaluate(frame: Frame, dot: Value, final: object) -> Value:
            frame.meter.step()
            number = len(arguments) + (final is not MISSING)
            if number < builtin.least:
                wanted = (
                    f"want at least {builtin.least}"
                    if builtin.is_variadic
                    else (f"want {builtin.least}")
                )
                got = len(arguments) if builtin.is_variadic else number
                fail(f"wrong number of args for {name}: {wanted} got {got}")
            if not builtin.is_variadic and number > builtin.least:
                fail(f"wrong number of args for {name}: want {builtin.least} got {number}")
            given = [argument(frame, dot) for argument in arguments]
            if final is not MISSING:
                given.append(builtin.checked(len(given), final, fail))  # type: ignore[arg-type]
            try:
                return call(given, frame.meter)
            except ValueError as error:
                failed(f"error calling {name}: {error}")

        return evaluate

    def _call_function(self, rest: Sequence[Operand], fail: Fail, failed: Fail) -> Final:
        """``call``: nothing in the data is a function, so it always says so."""
        arguments = [
            (lambda _, __: None) if isinstance(arg, Nil) else self._operand(arg) for arg in rest
        ]
        shown = str(rest[0]) if rest else ""

        def evaluate(frame: Frame, dot: Value, final: object) -> Value:
            if not rest and final is MISSING:
                fail("wrong number of args for call: want at least 1 got 0")
            given = [argument(frame, dot) for argument in arguments]
            value: Value = given[0] if given else final  # type: ignore[assignment]
            if value is None or isinstance(value, NilInterface):
                failed("error calling call: call of nil")
            name = shown or (
                plain(value)
                if type_of(value).kind == "string"
                else f"<{type_of(value).name} Value>"
            )
            failed(f"error calling call: non-function {name} of type {type_of(value).name}")

        return evaluate

    def _argument(self, node: Operand, builtin: Builtin, place: int) -> Evaluate:
        """An argument, of the type that the parameter asks for."""
        fail = self.failure(node, node.at)
        if isinstance(node, Nil):
            if builtin.takes_text(place):
                return lambda _, __: fail("cannot assign nil to string")
            return lambda _, __: None
        value = self._operand(node)
        if not builtin.takes_text(place):
            return value
        if isinstance(node, Bool | Number):
            return lambda _, __: fail(f"expected string; found {node}")
        return lambda frame, dot: builtin.checked(place, value(frame, dot), fail)

    def _lazy(self, name: str, rest: Sequence[Operand], fail: Fail) -> Final:
        """``and`` and ``or``: the first argument that settles it, the others are not looked at."""
        arguments = tuple(
            (lambda _, __: None) if isinstance(arg, Nil) else self._operand(arg) for arg in rest
        )
        wanted = name == "or"

        def evaluate(frame: Frame, dot: Value, final: object) -> Value:
            frame.meter.step()
            if not arguments and final is MISSING:
                fail(f"wrong number of args for {name}: want at least 1 got 0")
            value: Value = None
            for argument in arguments:
                value = argument(frame, dot)
                if truth(value) is wanted:
                    return value
            if final is not MISSING:
                value = final  # type: ignore[assignment]
            return value

        return evaluate

    def _operand(self, node: Operand) -> Evaluate:
        """A value in an argument's place."""
        match node:
            case Field():
                final = self._fields(_dot, node.names, node, ())
            case Chain():
                final = self._fields(self._chain_base(node), node.names, node, ())
            case Variable(names=[_]):
                return self._variable(node)
            case Variable():
                final = self._fields(self._variable(node), node.names[1:], node, ())
            case Pipe():
                return self.pipe(node)
            case Identifier():
                final = self._function(node, node, ())
            case _:
                return self._constant(node)
        return lambda frame, dot: final(frame, dot, MISSING)


def _last_of(command: Command) -> Operand:
    """The node that is looked at last when a command is evaluated."""
    first, *rest = command.args
    return last_node(rest[-1]) if rest else last_node(first)


def last_node(node: Operand) -> Operand:
    """The node that is looked at last when this one is evaluated; messages name it."""
    match node:
        case Pipe():
            return _last_of(node.commands[-1])
        case Chain():
            return last_node(node.node)
        case _:
            return node


def _dot(_: Frame, dot: Value) -> Value:
    return dot


def _opened(value: Value) -> Value:
    """What is in an empty interface."""
    return None if type(value) is NilInterface else value


def assign(frame: Frame, name: str, value: Value, fail: Fail) -> None:
    """Give the innermost variable of that name another value."""
    variables = frame.variables
    for place in range(len(variables) - 1, -1, -1):
        if variables[place][0] == name:
            variables[place] = (name, value)
            return
    fail(f"undefined variable: {name}")
