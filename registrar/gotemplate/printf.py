"""Go's fmt: how values print, and ``printf`` with its verbs, flags and complaints."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from registrar.gotemplate import numerals
from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.fields import find_method, sorted_items
from registrar.gotemplate.limits import DEFAULT, Meter
from registrar.gotemplate.numerals import Flags
from registrar.gotemplate.values import (
    Map,
    NilInterface,
    Pointer,
    Slice,
    Struct,
    Typed,
    Value,
    plain,
    type_of,
)

_MOST = 1_000_000
"""The largest width or precision that Go takes; a larger one is an error in the text."""


def printed(value: Value, meter: Meter, fail: Callable[[str], NoReturn]) -> str:
    """What an action writes for a value."""
    if value is None:
        return "<no value>"
    try:
        if isinstance(value, Pointer):
            text = _text_of(value)
            if text is not None:
                return text
            if value.target is None:
                return "<nil>"
            value = value.target
        elif isinstance(value, Struct) and value.is_addressable and "String" in value.type.methods:
            value = value.type.methods["String"].call(value, ())
        return Printer(meter).plain(value)
    except ValueError as error:
        fail(str(error))


def sprint(value: Value) -> str:
    """A value as ``%v`` prints it, for messages; a whole object by its type."""
    try:
        return Printer(Meter(DEFAULT)).plain(value)
    except ValueError:
        return type_of(value).name


def _text_of(value: Value) -> str | None:
    """What the value's own String method says, where fmt would call it."""
    if not isinstance(value, Struct | Typed | Pointer):
        return None
    method = find_method(value, "String")
    if method is None or (method.needs_pointer and not isinstance(value, Pointer)):
        return None
    target = value.target if isinstance(value, Pointer) else value
    if target is None:
        return _nil_text(value)
    text = method.call(target, ())
    return text if isinstance(text, str) else None


def _is_lost(value: Value) -> bool:
    """Whether fmt's call of String fails on a nil pointer, so that no verb applies."""
    if not isinstance(value, Pointer) or value.target is not None:
        return False
    method = find_method(value, "String")
    return method is not None and not method.needs_pointer


def _nil_text(value: Value) -> str:
    elem = type_of(value).elem
    return "<nil>" if elem is None else elem.nil_text


class Printer:
    """Prints values, within the limits of one rendering."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def plain(self, value: Value) -> str:
        """As ``%v``."""
        return self._made(self._value(value, "v", Flags(), 0))

    def all(self, values: Sequence[Value]) -> str:
        """As Sprint: spaces between two that are both no strings."""
        out = []
        was_string = True
        for place, value in enumerate(values):
            is_string = type(value) is str or (
                isinstance(value, Typed) and value.type.kind == "string"
            )
            if place and not is_string and not was_string:
                out.append(" ")
            out.append(self.plain(value))
            was_string = is_string
        return self._made("".join(out))

    def lines(self, values: Sequence[Value]) -> str:
        """As Sprintln."""
        return self._made(" ".join(self.plain(value) for value in values) + "\n")

    def formatted(self, template: str, values: Sequence[Value]) -> str:
        """As Sprintf."""
        return self._made(_Format(self, template, values).run())

    def argument(self, value: Value, verb: str, flags: Flags) -> str:
        """One argument under a verb."""
        if value is None:
            if verb in "Tv":
                return flags.pad("<nil>")
            return self._bad(value, verb, flags)
        if verb == "T":
            return flags.pad(flags.cut(type_of(value).name))
        return self._made(self._value(value, verb, flags, 0))

    def _made(self, text: str) -> str:
        self._meter.text(len(text))
        return text

    def check_width(self, width: int) -> None:
        """Refuse a width that would make a text beyond the limits."""
        if width > self._meter.limits.output_size:
            raise TemplateLimitError(f"a width or precision of {width} is too large")

    def _bad(self, value: Value, verb: str, flags: Flags) -> str:
        if value is None:
            return f"%!{verb}(<nil>)"
        return f"%!{verb}({type_of(value).name}={self._value(value, 'v', flags, 0)})"

    def _value(self, value: Value, verb: str, flags: Flags, depth: int) -> str:
        self._meter.step()
        if value is None or isinstance(value, NilInterface):
            return "interface {}(nil)" if flags.sharp_v else "<nil>"
        if not flags.sharp_v and verb in "vsxXq":
            text = _text_of(value)
            if text is not None and _is_lost(value):
                return text
            if text is not None:
                return self._basic(text, verb, flags) or self._bad(value, verb, flags)
        basic = plain(value)
        if isinstance(basic, bool | int | float | complex | str):
            text = self._typed(value, basic, verb, flags)
            return self._bad(value, verb, flags) if text is None else text
        if isinstance(value, Map):
            return self._map(value, verb, flags, depth)
        if isinstance(value, Slice):
            return self._slice(value, verb, flags, depth)
        if isinstance(value, Struct):
            return self._struct(value, verb, flags, depth)
        if isinstance(value, Pointer):
            return self._pointer(value, verb, flags, depth)
        raise TypeError(f"{type(value).__name__} cannot be printed")

    def _typed(
        self,
        value: Value,
        basic: bool | complex | str,  # noqa: FBT001 - a value
        verb: str,
        flags: Flags,
    ) -> str | None:
        if flags.sharp_v and type_of(value).kind.startswith("uint") and isinstance(basic, int):
            return flags.pad(f"0x{basic:x}")
        if isinstance(basic, float) and type_of(value).kind == "float32":
            return numerals.real(basic, verb, flags, single=True)
        return self._basic(basic, verb, flags)

    @staticmethod
    def _basic(value: bool | complex | str, verb: str, flags: Flags) -> str | None:  # noqa: FBT001 - a value
        if isinstance(value, bool):
            return flags.pad("true" if value else "false") if verb in "tv" else None
        if isinstance(value, int):
            return numerals.integer(value, verb, flags)
        if isinstance(value, float):
            return numerals.real(value, verb, flags)
        if isinstance(value, complex):
            return numerals.complex_(value, verb, flags)
        return numerals.text(value, verb, flags)

    def _map(self, value: Map, verb: str, flags: Flags, depth: int) -> str:
        items = sorted_items(value)
        if flags.sharp_v:
            if value.items is None:
                return f"{value.type.name}(nil)"
            inner = ", ".join(
                f"{self._value(k, verb, flags, depth + 1)}:{self._value(v, verb, flags, depth + 1)}"
                for k, v in items
            )
            return f"{value.type.name}{{{inner}}}"
        inner = " ".join(
            f"{self._value(k, verb, flags, depth + 1)}:{self._value(v, verb, flags, depth + 1)}"
            for k, v in items
        )
        return f"map[{inner}]"

    def _slice(self, value: Slice, verb: str, flags: Flags, depth: int) -> str:
        items = value.items or ()
        if value.type.elem is not None and value.type.elem.kind == "uint8" and verb in "sqxX":
            raw = bytes(int(plain(item)) for item in items)  # type: ignore[arg-type]
            made = numerals.text(raw.decode("utf-8", "surrogateescape"), verb, flags)
            return made or ""
        if flags.sharp_v:
            if value.items is None:
                return f"{value.type.name}(nil)"
            inner = ", ".join(self._value(item, verb, flags, depth + 1) for item in items)
            name = value.type.name.replace("[]uint8", "[]byte")
            return f"{name}{{{inner}}}"
        return "[" + " ".join(self._value(item, verb, flags, depth + 1) for item in items) + "]"

    def _struct(self, value: Struct, verb: str, flags: Flags, depth: int) -> str:
        parts = []
        for name in value.type.fields:
            text = self._value(value.field(name), verb, flags, depth + 1)
            parts.append(f"{name}:{text}" if flags.plus_v or flags.sharp_v else text)
        if flags.sharp_v:
            return f"{value.type.name}{{{', '.join(parts)}}}"
        return "{" + " ".join(parts) + "}"

    def _pointer(self, value: Pointer, verb: str, flags: Flags, depth: int) -> str:
        if value.target is None:
            if flags.sharp_v:
                return f"({value.type.name})(nil)"
            if verb == "v":
                return flags.pad("<nil>")
            number = numerals.integer(0, verb, flags) if verb in "bodxX" else None
            return self._bad(value, verb, flags) if number is None else number
        if depth == 0 and isinstance(value.target, Map | Slice | Struct):
            return "&" + self._value(value.target, verb, flags, depth + 1)
        # An address says nothing, and differs each time.
        return "0x0"


class _Format:
    """One run of Sprintf."""

    def __init__(self, printer: Printer, template: str, values: Sequence[Value]) -> None:
        self._printer = printer
        self._text = template
        self._values = values
        self._at = 0
        self._next = 0
        self._reordered = False
        self._good_index = True
        self._after_index = False

    def run(self) -> str:
        out: list[str] = []
        text = self._text
        while self._at < len(text):
            percent = text.find("%", self._at)
            if percent < 0:
                out.append(text[self._at :])
                break
            out.append(text[self._at : percent])
            self._at = percent + 1
            out.append(self._verb())
        if not self._reordered and self._next < len(self._values):
            extra = ", ".join(
                "<nil>" if value is None else f"{type_of(value).name}={self._printer.plain(value)}"
                for value in self._values[self._next :]
            )
            out.append(f"%!(EXTRA {extra})")
        return "".join(out)

    def _verb(self) -> str:
        text, flags = self._text, Flags()
        self._good_index = True
        self._after_index = False
        while self._at < len(text) and text[self._at] in "#0+- ":
            flags.set(text[self._at])
            self._at += 1
        problems = self._width(flags) + self._precision(flags)
        if not self._after_index:
            self._index()
        if self._at >= len(text):
            return problems + "%!(NOVERB)"
        verb = text[self._at]
        self._at += 1
        if verb == "%":
            return problems + "%"
        if not self._good_index:
            return problems + f"%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return problems + f"%!{verb}(MISSING)"
        if verb == "v":
            flags.for_v()
        value = self._values[self._next]
        self._next += 1
        return problems + self._printer.argument(value, verb, flags)

    def _width(self, flags: Flags) -> str:
        self._index()
        if self._text.startswith("*", self._at):
            self._at += 1
            number = self._star()
            self._after_index = False
            if number is None:
                return "%!(BADWIDTH)"
            if number < 0:
                flags.minus, flags.zero = True, False
                number = -number
            flags.width = number
            return ""
        number = self._number()
        if number is not None:
            if self._after_index:
                self._good_index = False
            flags.width = number
        return ""

    def _precision(self, flags: Flags) -> str:
        if not self._text.startswith(".", self._at):
            return ""
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if self._text.startswith("*", self._at):
            self._at += 1
            number = self._star()
            self._after_index = False
            if number is None or number < 0:
                return "%!(BADPREC)"
            flags.precision = number
            return ""
        flags.precision = self._number() or 0
        return ""

    def _number(self) -> int | None:
        start = self._at
        text = self._text
        while self._at < len(text) and "0" <= text[self._at] <= "9":
            self._at += 1
        if start == self._at:
            return None
        number = int(text[start : self._at][:8])
        if number > _MOST or self._at - start > 7:
            # Go gives up on such a number, and reads on behind it.
            return None
        self._printer.check_width(number)
        return number

    def _star(self) -> int | None:
        """A width or precision out of the arguments."""
        if self._next >= len(self._values):
            return None
        value = plain(self._values[self._next])
        self._next += 1
        if type(value) is not int or abs(value) > _MOST:
            return None
        self._printer.check_width(abs(value))
        return value

    def _index(self) -> None:
        """An argument's number in brackets."""
        text = self._text
        if not text.startswith("[", self._at):
            return
        self._reordered = True
        end = text.find("]", self._at)
        if end < 0:
            self._good_index = False
            self._at += 1
            return
        digits = text[self._at + 1 : end]
        self._at = end + 1
        number = int(digits[:8]) if digits.isascii() and digits.isdigit() else 0
        if not 1 <= number <= len(self._values):
            self._good_index = False
            return
        self._next = number - 1
        self._after_index = True
