"""Arguments: they get, or must have, the types that a function or method asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from registrar.gotemplate.frames import Frame, Place
from registrar.gotemplate.nodes import Bool, Nil, Number, Operand, String
from registrar.gotemplate.values import (
    GoType,
    Interface,
    Pointer,
    Struct,
    Value,
    opened,
    pointer_to,
    type_of,
    typed,
    zero,
)

Evaluate: TypeAlias = Callable[[Frame, Value], Value]


class Missing(Enum):
    """The type of ``MISSING``."""

    VALUE = None


MISSING: Final = Missing.VALUE
"""Where no value comes from the stage before."""

Passed: TypeAlias = Value | Missing
"""The value of the stage before, if there is one."""

_NILABLE = frozenset({"interface", "map", "ptr", "slice"})


class Argument:
    """One argument as it stands in a template."""

    __slots__ = ("_evaluate", "_is_constant", "_place", "node")

    def __init__(self, node: Operand, place: Place, evaluate: Evaluate) -> None:
        self.node = node
        self._place = place
        self._evaluate = evaluate
        self._is_constant = isinstance(node, Bool | Number | String)

    def value(self, frame: Frame, dot: Value, wanted: GoType | None) -> Value:
        """The value under a parameter's type; None takes everything as it is.

        Raises TemplateExecError for a value that the parameter does not take.
        """
        frame.place = self._place
        node = self.node
        if self._is_constant and wanted is not None and wanted.kind != "interface":
            return _constant(node, wanted, frame)
        if isinstance(node, Nil):
            if wanted is not None and wanted.kind not in _NILABLE:
                frame.fail(f"cannot assign nil to {wanted.name}")
            return opened(zero(wanted))
        return validated(self._evaluate(frame, dot), wanted, frame)


@dataclass(frozen=True, slots=True)
class Call:
    """What a field is called with; ``place`` is the node that a method's error names."""

    place: Place
    arguments: Sequence[Argument] = ()
    final: Passed = MISSING

    @property
    def count(self) -> int:
        """How many arguments there are, with the value of the stage before."""
        return len(self.arguments) + (self.final is not MISSING)


def _constant(node: Operand, wanted: GoType, frame: Frame) -> Value:
    """A constant as a value of the type that is asked for."""
    kind = wanted.kind
    match node:
        case Bool(value=truth) if kind == "bool":
            return typed(wanted, truth)
        case String(value=text) if kind == "string":
            return typed(wanted, text)
        case Number(integer=int(number)) if kind.startswith("int"):
            return typed(wanted, _wrapped(number, wanted.bits, is_signed=True))
        case Number(unsigned=int(number)) if kind.startswith("uint"):
            return typed(wanted, _wrapped(number, wanted.bits, is_signed=False))
        case Number(real=float(real)) if kind.startswith("float"):
            return typed(wanted, real)
        case Number(complex_=both) if kind.startswith("complex") and both is not None:
            return typed(wanted, both)
    if kind in _NILABLE or kind == "struct":
        frame.fail(f"can't handle {node} for arg of type {wanted.name}")
    name = "unsigned integer" if kind.startswith("uint") else kind.rstrip("0123456789")
    frame.fail(f"expected {'integer' if name == 'int' else name}; found {node}")


def _wrapped(number: int, bits: int, *, is_signed: bool) -> int:
    """An integer in so many bits: what does not fit is cut off, as reflection does."""
    cut = number & ((1 << bits) - 1)
    return cut - (1 << bits) if is_signed and cut >> (bits - 1) else cut


def validated(value: Value, wanted: GoType | None, frame: Frame) -> Value:
    """A value as one of the type that is asked for. Raises TemplateExecError."""
    if wanted is None:
        return value
    if wanted.kind == "interface":
        return opened(value)
    if value is None:
        if wanted.kind in _NILABLE:
            return zero(wanted)
        frame.fail(f"invalid value; expected {wanted.name}")
    if isinstance(value, Interface) and value.value is not None:
        value = value.value
    got = type_of(value)
    if got.name == wanted.name:
        return value
    if isinstance(value, Pointer) and got.elem is not None and got.elem.name == wanted.name:
        if value.target is None:
            frame.fail(f"dereference of nil pointer of type {wanted.name}")
        return value.target
    if isinstance(value, Struct) and value.is_addressable and wanted.name == "*" + got.name:
        return Pointer(pointer_to(got), value)
    frame.fail(f"wrong type for value; expected {wanted.name}; got {got.name}")
