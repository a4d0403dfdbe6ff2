"""Values as Go's fmt writes them: under ``%v`` and the other verbs, for actions and for messages.

A value that has a String method writes itself. Addresses differ each time in Go
and say nothing; here everything lies at the same one.
"""

from collections.abc import Sequence

from registrar.gotemplate import numerals
from registrar.gotemplate.fields import find_method
from registrar.gotemplate.frames import Frame
from registrar.gotemplate.limits import DEFAULT, Meter
from registrar.gotemplate.numerals import Flags
from registrar.gotemplate.values import (
    GoType,
    Interface,
    Map,
    Pointer,
    Slice,
    Struct,
    Value,
    decoded,
    indirect,
    joined,
    plain,
    sorted_items,
    type_of,
)

_ADDRESS = 0xC000000000


def printed(value: Value, frame: Frame) -> str:
    """What an action writes for a value. Raises TemplateError."""
    try:
        return Printer(frame.meter).sprint([printable(value)])
    except ValueError as error:
        frame.fail(str(error))


def printable(value: Value) -> Value:
    """What fmt is given for a value: not a pointer, unless the String method is on that."""
    if isinstance(value, Pointer):
        value, _ = indirect(value)
    if value is None:
        return "<no value>"
    if isinstance(value, Struct) and value.is_addressable:
        method = value.type.methods.get("String")
        if method is not None and method.needs_pointer:
            return Pointer(GoType("*" + value.type.name, "ptr", elem=value.type), value)
    return value


def shown(value: Value, verb: str = "v", *, meter: Meter | None = None) -> str:
    """A value under a verb, for messages; a whole object by its type."""
    printer = Printer(meter or Meter(DEFAULT))
    try:
        printer.argument(value, verb)
        return printer.made()
    except ValueError:
        return type_of(value).name


def is_text(value: Value) -> bool:
    """Whether the value is a string, of whatever type."""
    return value is not None and type_of(value).kind == "string"


def _is_bytes(value: Value) -> bool:
    return isinstance(value, Slice) and value.type.name == "[]uint8"


class Printer:
    """One run of fmt: writes values after each other, within the limits of one rendering."""

    def __init__(self, meter: Meter) -> None:
        self.flags = Flags()
        self._meter = meter
        self._out: list[str] = []
        self._size = 0
        self._in_error = False

    def made(self) -> str:
        """All that was written. Raises TemplateLimitError when it is too much."""
        self._meter.text(self._size)
        return joined(*self._out)

    def sprint(self, values: Sequence[Value]) -> str:
        """As Sprint: spaces between two that are both no strings."""
        was_text = True
        for place, value in enumerate(values):
            if place and not is_text(value) and not was_text:
                self.write(" ")
            self.argument(value, "v")
            was_text = is_text(value)
        return self.made()

    def sprintln(self, values: Sequence[Value]) -> str:
        """As Sprintln."""
        for place, value in enumerate(values):
            if place:
                self.write(" ")
            self.argument(value, "v")
        self.write("\n")
        return self.made()

    def write(self, text: str) -> None:
        """Write a text as it is. Raises TemplateLimitError when it all becomes too long."""
        self._size += len(text)
        if self._size > self._meter.limits.output_size:
            self._meter.text(self._size)
        self._out.append(text)

    def argument(self, value: Value, verb: str) -> None:
        """Write an argument under a verb. Raises ValueError for an object that has no text."""
        flags = self.flags
        if value is None:
            self.write(flags.pad("<nil>") if verb in {"T", "v"} else f"%!{verb}(<nil>)")
        elif verb == "T":
            self.write(flags.pad(flags.cut(type_of(value).name)))
        elif verb == "p":
            self._pointer_itself(value, verb)
        elif _is_bytes(value) or not self._method(value, verb):
            self.value(value, verb, is_argument=True)

    def value(self, value: Value, verb: str, depth: int = 0, *, is_argument: bool = False) -> None:
        """Write a value, or what is in one, under a verb."""
        self._meter.step()
        if isinstance(value, Interface) or value is None:
            self._interface(value, verb, depth)
        elif depth and self._method(value, verb):
            pass
        elif isinstance(value, Map):
            self._map(value, verb, depth)
        elif isinstance(value, Slice):
            self._slice(value, verb, depth, is_argument=is_argument)
        elif isinstance(value, Struct):
            self._struct(value, verb, depth)
        elif isinstance(value, Pointer):
            self._pointer(value, verb, depth)
        else:
            self._basic(value, verb)

    def _method(self, value: Value, verb: str) -> bool:
        """Let a value write itself; whether it did."""
        if self._in_error:
            return False
        if verb == "w":
            self._bad(value, verb)
            return True
        name = "GoString" if self.flags.sharp_v else "String"
        if verb not in {"v", "s", "x", "X", "q"}:
            return False
        method = find_method(value, name)
        if method is None or (method.needs_pointer and not isinstance(value, Pointer)):
            return False
        target = value
        if isinstance(value, Pointer):
            target = value if value.target is None else value.target
            if value.target is None and not method.takes_nil:
                # The call fails, and fmt says this whatever the verb.
                self.write("<nil>")
                return True
        self._meter.step()
        text = method.call(target, ())
        if self.flags.sharp_v:
            verb = "s"
        self.write(self._text(str(text), verb) or "")
        return True

    def _text(self, text: str, verb: str) -> str | None:
        """A string under a verb; None for one that strings do not have."""
        precision = self.flags.precision
        size = len(text) if precision is None else min(len(text), precision)
        if verb in {"s", "v"} and not self.flags.sharp_v:
            self._meter.work(size)
        else:
            self._meter.spell(size)
        return numerals.text(text, verb, self.flags)

    def _bad(self, value: Value, verb: str) -> None:
        """Say that a value does not go with a verb."""
        self.write(f"%!{verb}({type_of(value).name}=")
        self._in_error = True
        self.value(value, "v")
        self._in_error = False
        self.write(")")

    def _basic(self, value: Value, verb: str) -> None:
        basic, flags = plain(value), self.flags
        made: str | None = None
        if isinstance(basic, bool):
            made = flags.pad("true" if basic else "false") if verb in {"t", "v"} else None
        elif isinstance(basic, int):
            is_unsigned = type_of(value).kind.startswith("uint")
            if verb == "v" and flags.sharp_v and is_unsigned:
                made = numerals.hexadecimal(basic, flags)
            else:
                made = numerals.integer(basic, verb, flags)
        elif isinstance(basic, float):
            made = numerals.real(basic, verb, flags, type_of(value).bits)
        elif isinstance(basic, complex):
            made = numerals.complex_(basic, verb, flags, type_of(value).bits // 2)
        elif isinstance(basic, str):
            made = self._text(basic, verb)
        if made is None:
            self._bad(value, verb)
        else:
            self.write(made)

    def _interface(self, value: Interface | None, verb: str, depth: int) -> None:
        if value is not None and value.value is not None:
            self.value(value.value, verb, depth + 1)
        else:
            self.write("interface {}(nil)" if self.flags.sharp_v else "<nil>")

    def _map(self, value: Map, verb: str, depth: int) -> None:
        sharp = self.flags.sharp_v
        if sharp and value.items is None:
            self.write(f"{value.type.name}(nil)")
            return
        self.write(value.type.name + "{" if sharp else "map[")
        self._meter.sort(len(value.items or ()))
        for place, (key, element) in enumerate(sorted_items(value)):
            if place:
                self.write(", " if sharp else " ")
            self.value(key, verb, depth + 1)
            self.write(":")
            self.value(element, verb, depth + 1)
        self.write("}" if sharp else "]")

    def _slice(self, value: Slice, verb: str, depth: int, *, is_argument: bool) -> None:
        sharp, items = self.flags.sharp_v, value.items or ()
        name = value.type.name
        if value.type.elem is not None and value.type.elem.kind == "uint8":
            if verb in {"s", "q", "x", "X"}:
                self._meter.read(len(items))
                data = bytes(int(plain(item)) for item in items)  # type: ignore[arg-type]
                self.write(self._text(decoded(data), verb) or "")
                return
            if is_argument and _is_bytes(value):
                name = "[]byte"
        if sharp and value.items is None:
            self.write(f"{name}(nil)")
            return
        self.write(name + "{" if sharp else "[")
        for place, element in enumerate(items):
            if place:
                self.write(", " if sharp else " ")
            self.value(element, verb, depth + 1)
        self.write("}" if sharp else "]")

    def _struct(self, value: Struct, verb: str, depth: int) -> None:
        flags = self.flags
        if value.type.unexported:
            raise ValueError(
                f"the inside of a {value.type.name} has no text: use its methods, such as String"
            )
        self.write(value.type.name + "{" if flags.sharp_v else "{")
        for place, name in enumerate(value.type.fields):
            if place:
                self.write(", " if flags.sharp_v else " ")
            if flags.plus_v or flags.sharp_v:
                self.write(f"{name}:")
            self.value(value.field(name), verb, depth + 1)
        self.write("}")

    def _pointer(self, value: Pointer, verb: str, depth: int) -> None:
        if depth == 0 and isinstance(value.target, Map | Slice | Struct):
            self.write("&")
            self.value(value.target, verb, depth + 1)
        else:
            self._pointer_itself(value, verb)

    def _pointer_itself(self, value: Value, verb: str) -> None:
        """An address, of whatever lies at one."""
        flags = self.flags
        if isinstance(value, Pointer):
            is_nil = value.target is None
        elif isinstance(value, Map | Slice):
            is_nil = value.items is None
        else:
            self._bad(value, verb)
            return
        address = 0 if is_nil else _ADDRESS
        if verb == "v" and flags.sharp_v:
            number = "nil" if is_nil else numerals.hexadecimal(address, flags)
            self.write(f"({value.type.name})({number})")
        elif verb == "v" and is_nil:
            self.write(flags.pad("<nil>"))
        elif verb in {"v", "p"}:
            self.write(numerals.hexadecimal(address, flags, is_sharp=not flags.sharp))
        elif verb in {"b", "o", "d", "x", "X"}:
            self.write(numerals.integer(address, verb, flags) or "")
        else:
            self._bad(value, verb)
