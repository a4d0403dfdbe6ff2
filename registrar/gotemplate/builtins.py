"""The functions that every template has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from registrar.gotemplate.comparisons import equals, less, less_or_equal
from registrar.gotemplate.escaping import html, js, urlquery
from registrar.gotemplate.indexing import index, length, slice_
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.printf import sprintf
from registrar.gotemplate.printing import Printer
from registrar.gotemplate.values import INTERFACE, STRING, GoType, Value, truth

Function: TypeAlias = Callable[[Sequence[Value], Meter], Value]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function: how many arguments it needs at least, and whether it takes more.

    ``call`` raises ValueError with the words of Go. ``takes_any``: a value loses
    the interface that it lies in; ``text_first``: the first must be a string.
    """

    call: Function
    least: int
    is_variadic: bool = False
    takes_any: bool = False
    text_first: bool = False

    def parameter(self, place: int) -> GoType | None:
        """The type of the parameter at that place; None takes everything as it is."""
        if self.text_first and place == 0:
            return STRING
        return INTERFACE if self.takes_any else None

    def miscount(self, name: str, count: int, *, has_final: bool) -> str:
        """What is wrong with so many arguments, besides the value of the stage before; or nothing.

        The words are those of Go, which counts them in two ways.
        """
        number = count + has_final
        if self.is_variadic:
            if number >= self.least:
                return ""
            return f"wrong number of args for {name}: want at least {self.least} got {count}"
        if number == self.least:
            return ""
        return f"wrong number of args for {name}: want {self.least} got {number}"


def _not(given: Sequence[Value], _: Meter) -> Value:
    return not truth(given[0])


def _print(given: Sequence[Value], meter: Meter) -> Value:
    return Printer(meter).sprint(given)


def _println(given: Sequence[Value], meter: Meter) -> Value:
    return Printer(meter).sprintln(given)


def _printf(given: Sequence[Value], meter: Meter) -> Value:
    return sprintf(str(given[0]), given[1:], meter)


BUILTINS: Mapping[str, Builtin] = MappingProxyType(
    {
        # Which of their arguments "and", "or" and "call" evaluate is decided where they are called.
        "and": Builtin(_not, 1, is_variadic=True),
        "or": Builtin(_not, 1, is_variadic=True),
        "call": Builtin(_not, 1, is_variadic=True),
        "html": Builtin(html, 0, is_variadic=True, takes_any=True),
        "index": Builtin(index, 1, is_variadic=True),
        "slice": Builtin(slice_, 1, is_variadic=True),
        "js": Builtin(js, 0, is_variadic=True, takes_any=True),
        "len": Builtin(length, 1),
        "not": Builtin(_not, 1),
        "print": Builtin(_print, 0, is_variadic=True, takes_any=True),
        "printf": Builtin(_printf, 1, is_variadic=True, takes_any=True, text_first=True),
        "println": Builtin(_println, 0, is_variadic=True, takes_any=True),
        "urlquery": Builtin(urlquery, 0, is_variadic=True, takes_any=True),
        "eq": Builtin(equals, 1, is_variadic=True),
        "ne": Builtin(lambda given, meter: not equals(given, meter), 2),
        "lt": Builtin(less, 2),
        "le": Builtin(less_or_equal, 2),
        "gt": Builtin(lambda given, meter: not less_or_equal(given, meter), 2),
        "ge": Builtin(lambda given, meter: not less(given, meter), 2),
    }
)
