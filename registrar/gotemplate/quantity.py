"""Quantities of resources, such as ``500m`` of CPU or ``1Gi`` of memory.

The canonical form is that of Kubernetes' resource.Quantity: no fraction, the
largest suffix that keeps it so, in the family that the text was written in.
"""

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from registrar.gotemplate.values import (
    INT64,
    GoType,
    Method,
    Pointer,
    Struct,
    Typed,
    Value,
)

_TEXT = re.compile(
    r"([+-]?[0-9]*(?:\.[0-9]*)?)(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?"
)
_MOST_TEXT = 128
"""An amount of more characters is none: numbers are reckoned exactly, whatever their size."""
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Mapping[int, str] = {
    -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E",
}  # fmt: skip
_EXPONENTS = {suffix: exponent for exponent, suffix in _DECIMAL.items()}
_NANO = Fraction(1, 10**9)


class Quantity(Struct):
    """An amount, and the family of suffixes that it was written with."""

    __slots__ = ("amount", "family")

    def __init__(self, amount: Fraction, family: str, *, is_addressable: bool = True) -> None:
        super().__init__(QUANTITY, is_addressable=is_addressable)
        self.amount: Fraction = amount
        self.family: str = family

    def field(self, name: str) -> Value:
        """The family, Go's only field of it that can be seen."""
        if name == "Format":
            return Typed(_FORMAT, self.family)
        raise KeyError(name)


def parsed_quantity(text: object, *, is_addressable: bool = True) -> Quantity:
    """The quantity of a text or number; zero of anything else."""
    if isinstance(text, int) and text.bit_length() > _MOST_TEXT:
        text = None
    shown = str(text) if isinstance(text, str | int | float) else ""
    found = _TEXT.fullmatch(shown) if len(shown) <= _MOST_TEXT else None
    if found is None or not found[1].strip("+-."):
        return Quantity(Fraction(0), "", is_addressable=is_addressable)
    amount = Fraction(found[1])
    family = "DecimalSI"
    if found[2]:
        amount *= 1024 ** _BINARY.index(found[2])
        family = "BinarySI"
    elif found[3]:
        amount *= Fraction(10) ** _EXPONENTS[found[3]]
    elif found[4]:
        amount *= Fraction(10) ** int(found[4])
        family = "DecimalExponent"
    # Finer than a billionth is rounded away from zero.
    nano = amount / _NANO
    if nano.denominator != 1:
        whole = nano.numerator // nano.denominator
        amount = (whole + 1 if amount > 0 else whole) * _NANO
    return Quantity(amount, family, is_addressable=is_addressable)


def canonical(quantity: Quantity) -> str:
    """The canonical text."""
    amount, family = quantity.amount, quantity.family
    if amount == 0:
        return "0"
    if family == "BinarySI" and (abs(amount) < 1024 or amount.denominator != 1):
        family = "DecimalSI"
    if family == "BinarySI":
        number, place = int(amount), 0
        while number % 1024 == 0 and place < len(_BINARY) - 1:
            number //= 1024
            place += 1
        return f"{number}{_BINARY[place]}"
    exponent = -9
    number = int(amount / _NANO)
    while number % 1000 == 0 and exponent < 18:
        number //= 1000
        exponent += 3
    if family == "DecimalExponent":
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL[exponent]}"


def _of(receiver: Value) -> Quantity:
    if not isinstance(receiver, Quantity):
        raise TypeError("not a quantity")
    return receiver


def _rounded_up(amount: Fraction) -> int:
    """Away from zero."""
    whole = abs(amount.numerator) // amount.denominator
    whole += abs(amount).denominator != 1
    return whole if amount >= 0 else -whole


def _approximate(amount: Fraction) -> float:
    try:
        return float(amount)
    except OverflowError:
        return math.inf if amount > 0 else -math.inf


def _string(receiver: Value, _: Sequence[Value]) -> Value:
    return "<nil>" if isinstance(receiver, Pointer) else canonical(_of(receiver))


_METHODS = {
    "String": Method(_string, needs_pointer=True, takes_nil=True),
    "Value": Method(lambda r, _: Typed(INT64, _rounded_up(_of(r).amount)), needs_pointer=True),
    "MilliValue": Method(
        lambda r, _: Typed(INT64, _rounded_up(_of(r).amount * 1000)), needs_pointer=True
    ),
    "IsZero": Method(lambda r, _: _of(r).amount == 0, needs_pointer=True),
    "Sign": Method(lambda r, _: (_of(r).amount > 0) - (_of(r).amount < 0), needs_pointer=True),
    "AsApproximateFloat64": Method(lambda r, _: _approximate(_of(r).amount), needs_pointer=True),
}
_FORMAT = GoType("resource.Format", "string")
QUANTITY: GoType = GoType(
    "resource.Quantity",
    "struct",
    fields=("Format",),
    unexported=("i", "d", "s"),
    methods=_METHODS,
)
