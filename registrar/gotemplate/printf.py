"""Sprintf: the formats of Go, and what it says of a format that does not fit its arguments."""

from collections.abc import Sequence

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.numerals import Flags
from registrar.gotemplate.printing import Printer
from registrar.gotemplate.values import Typed, Value, type_of

_MOST = 1_000_000
"""Go gives up on a width or precision that is larger before its last digit."""


def sprintf(template: str, values: Sequence[Value], meter: Meter) -> str:
    """The values in that format.

    Raises TemplateLimitError for a text that is too long, ValueError for an
    object that has no text.
    """
    return _Format(template, values, meter).run()


class _Format:
    """One run of Sprintf."""

    def __init__(self, template: str, values: Sequence[Value], meter: Meter) -> None:
        self._printer = Printer(meter)
        self._meter = meter
        self._most = meter.limits.output_size
        self._text = template
        self._last_bracket = template.rfind("]")
        self._values = values
        self._at = 0
        self._next = 0
        self._is_reordered = False
        self._has_good_index = True

    def run(self) -> str:
        text, printer = self._text, self._printer
        self._meter.spell(len(text))
        while self._at < len(text):
            percent = text.find("%", self._at)
            if percent < 0:
                printer.write(text[self._at :])
                break
            printer.write(text[self._at : percent])
            self._at = percent + 1
            self._verb()
        if not self._is_reordered and self._next < len(self._values):
            self._extra()
        return printer.made()

    def _extra(self) -> None:
        """Name the arguments that no verb took."""
        printer = self._printer
        printer.flags = Flags()
        printer.write("%!(EXTRA ")
        for place, value in enumerate(self._values[self._next :]):
            if place:
                printer.write(", ")
            if value is not None:
                printer.write(f"{type_of(value).name}=")
            printer.argument(value, "v")
        printer.write(")")

    def _verb(self) -> None:
        """One verb, with what stands between the percent sign and it."""
        text, printer = self._text, self._printer
        flags = printer.flags = Flags()
        self._has_good_index = True
        self._meter.step()
        while text[self._at : self._at + 1] in {"#", "0", "+", "-", " "}:
            flags.set(text[self._at])
            self._at += 1
        after_index = self._width(flags)
        # A point that ends the format is its verb.
        if text.startswith(".", self._at) and self._at + 1 < len(text):
            after_index = self._precision(flags, after_index=after_index)
        if not after_index:
            self._index()
        if self._at >= len(text):
            printer.write("%!(NOVERB)")
            return
        verb = text[self._at]
        if 0xDC80 <= ord(verb) <= 0xDCFF:
            verb = "\ufffd"
        self._at += 1
        if verb == "%":
            printer.write("%")
        elif not self._has_good_index:
            printer.write(f"%!{verb}(BADINDEX)")
        elif self._next >= len(self._values):
            printer.write(f"%!{verb}(MISSING)")
        else:
            if verb in {"v", "w"}:
                flags.for_v()
            self._next += 1
            printer.argument(self._values[self._next - 1], verb)

    def _width(self, flags: Flags) -> bool:
        """Read a width; whether an argument's number was the last that was read."""
        after_index = self._index()
        if self._text.startswith("*", self._at):
            self._at += 1
            flags.width = self._star()
            if flags.width is None:
                self._printer.write("%!(BADWIDTH)")
            elif flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
            return False
        flags.width = self._number()
        if after_index and flags.width is not None:
            self._has_good_index = False
        return after_index

    def _precision(self, flags: Flags, *, after_index: bool) -> bool:
        """Read a precision; whether an argument's number was the last that was read."""
        self._at += 1
        if after_index:
            self._has_good_index = False
        after_index = self._index()
        if self._text.startswith("*", self._at):
            self._at += 1
            precision = self._star()
            if precision is None or precision < 0:
                self._printer.write("%!(BADPREC)")
            else:
                flags.precision = precision
            return False
        flags.precision = self._number() or 0
        return after_index

    def _number(self) -> int | None:
        """The number that stands here. One that is too large takes all the rest with it."""
        start, text = self._at, self._text
        number = 0
        while "0" <= text[self._at : self._at + 1] <= "9":
            if number > _MOST:
                self._at = len(text)
                return None
            number = number * 10 + int(text[self._at])
            self._at += 1
        if self._at == start:
            return None
        return self._affordable(number)

    def _affordable(self, number: int) -> int:
        if abs(number) > self._most:
            raise TemplateLimitError(f"a width or precision of {number} is too large")
        return number

    def _star(self) -> int | None:
        """A width or precision out of the arguments; None when the next one is none."""
        if self._next >= len(self._values):
            return None
        value = self._values[self._next]
        self._next += 1
        number = value.value if isinstance(value, Typed) else value
        if type(number) is not int or abs(number) > _MOST:
            return None
        return self._affordable(number)

    def _index(self) -> bool:
        """Read an argument's number in brackets; whether there is one that Go counts as such."""
        text, start = self._text, self._at
        if not text.startswith("[", start):
            return False
        self._is_reordered = True
        # Looked for from the end once: many brackets that nothing closes must not cost n².
        end = text.find("]", start) if start < self._last_bracket else -1
        if end < 0 or len(text) - start < 3:
            self._has_good_index = False
            self._at += 1
            return False
        self._at = end + 1
        digits = text[start + 1 : end]
        significant = digits.lstrip("0")
        is_number = digits.isascii() and digits.isdigit() and len(significant) < 9
        number = int(significant or "0") if is_number else 0
        if number // 10 > _MOST:
            is_number, number = False, 0
        if 1 <= number <= len(self._values):
            self._next = number - 1
            return True
        self._has_good_index = False
        return is_number
