"""How fmt writes texts and numbers under a verb, with flags, width and precision."""

from dataclasses import dataclass, replace

from registrar.gotemplate.floats import formatted
from registrar.gotemplate.lexer import is_printable, quoted
from registrar.gotemplate.values import encoded, joined


@dataclass(slots=True)
class Flags:
    """What stands between ``%`` and the verb. ``width`` and ``precision`` are characters."""

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    plus_v: bool = False
    sharp_v: bool = False

    def set(self, flag: str) -> None:
        """Take in one flag."""
        match flag:
            case "#":
                self.sharp = True
            case "0":
                self.zero = True
            case "+":
                self.plus = True
            case "-":
                self.minus = True
            case _:
                self.space = True

    def for_v(self) -> None:
        """Under ``%v`` plus and sharp mean another way to print, not signs."""
        self.sharp, self.sharp_v = False, self.sharp
        self.plus, self.plus_v = False, self.plus

    def pad(self, text: str, *, zeros: bool = True) -> str:
        """The text at its width, filled up with zeros when the flags say so."""
        if self.width is None or len(text) >= self.width:
            return text
        if self.minus:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if self.zero and zeros else " ")

    def cut(self, text: str) -> str:
        """The text at its precision."""
        return text if self.precision is None else text[: self.precision]


def text(value: str, verb: str, flags: Flags) -> str | None:
    """A string; None for a verb that strings do not have."""
    if verb == "q" or (verb == "v" and flags.sharp_v):
        return flags.pad(_quoted(flags.cut(value), flags))
    if verb in {"s", "v"}:
        return flags.pad(flags.cut(value))
    if verb in {"x", "X"}:
        return flags.pad(_digits_of(encoded(value), verb, flags))
    return None


def _quoted(value: str, flags: Flags) -> str:
    if flags.sharp and all(char == "\t" or _is_raw(char) for char in value):
        return f"`{value}`"
    return quoted(value, ascii_only=flags.plus)


def _is_raw(char: str) -> bool:
    """Whether a character can stand between backquotes, as it is and to be seen."""
    code = ord(char)
    return code >= 0x20 and char not in "`\x7f\ufeff" and not 0xD800 <= code < 0xE000


def _digits_of(data: bytes, verb: str, flags: Flags) -> str:
    """Bytes in hexadecimal digits."""
    if flags.precision is not None:
        data = data[: flags.precision]
    if not data:
        return ""
    prefix = "0x" if flags.sharp else ""
    spaced = " ".join(f"{prefix}{byte:02x}" for byte in data)
    made = spaced if flags.space else prefix + data.hex()
    return made.upper() if verb == "X" else made


def integer(value: int, verb: str, flags: Flags) -> str | None:
    """An integer; None for a verb that integers do not have."""
    size = abs(value)
    match verb:
        case "v" | "d":
            return _signed(value, str(size), "", flags)
        case "b":
            return _signed(value, f"{size:b}", "0b" if flags.sharp else "", flags)
        case "o" | "O":
            return _octal(value, verb, flags)
        case "x" | "X":
            made = _signed(value, f"{size:x}", "0x" if flags.sharp else "", flags)
            return made.upper() if verb == "X" else made
        case "c":
            return flags.pad(_character(value))
        case "q":
            return flags.pad(quoted(_character(value), "'", ascii_only=flags.plus))
        case "U":
            return _unicode(value, flags)
    return None


def hexadecimal(value: int, flags: Flags, *, is_sharp: bool = True) -> str:
    """An unsigned number as ``%#v`` and addresses show it."""
    return _signed(value, f"{value:x}", "0x" if is_sharp else "", flags)


def _octal(value: int, verb: str, flags: Flags) -> str:
    # The zero that says octal counts among the digits, so it is not put before another one.
    digits = _filled(value, f"{abs(value):o}", flags)
    if flags.sharp and not digits.startswith("0"):
        digits = "0" + digits
    if flags.precision == 0 and value == 0:
        return " " * (flags.width or 0)
    return flags.pad(_sign(value, flags) + ("0o" if verb == "O" else "") + digits, zeros=False)


def _signed(value: int, digits: str, prefix: str, flags: Flags) -> str:
    if flags.precision == 0 and value == 0:
        return " " * (flags.width or 0)
    made = _sign(value, flags) + prefix + _filled(value, digits, flags)
    return flags.pad(made, zeros=False)


def _sign(value: int, flags: Flags) -> str:
    if value < 0:
        return "-"
    return "+" if flags.plus else " " if flags.space else ""


def _filled(value: int, digits: str, flags: Flags) -> str:
    """The digits with the zeros that a precision, or a width with the zero flag, wants."""
    if flags.precision is not None:
        return digits.rjust(flags.precision, "0")
    if flags.zero and not flags.minus and flags.width is not None:
        return digits.rjust(flags.width - len(_sign(value, flags)), "0")
    return digits


def _character(code: int) -> str:
    """The character of a code; the replacement character for what is none."""
    if code < 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return "\ufffd"
    return chr(code)


def _unicode(value: int, flags: Flags) -> str:
    code = value if value >= 0 else value + 2**64
    made = f"U+{code:0{max(4, flags.precision or 0)}X}"
    if flags.sharp and code <= 0x10FFFF and is_printable(_character(code)):
        made += f" '{_character(code)}'"
    return flags.pad(made, zeros=False)


def real(value: float, verb: str, flags: Flags, bits: int = 64) -> str | None:
    """A float of so many bits; None for a verb that floats do not have."""
    if verb not in set("vbgGxXfFeE"):
        return None
    precision = flags.precision
    if precision is None and verb in "fFeE":
        precision = 6
    form = {"v": "g", "F": "f"}.get(verb, verb)
    made = formatted(value, form, precision, bits)
    sign, digits = ("-", made[1:]) if made.startswith("-") else ("+", made)
    if sign == "+" and flags.space and not flags.plus:
        sign = " "
    if digits in {"Inf", "NaN"}:
        if digits == "NaN" and not flags.space and not flags.plus:
            sign = ""
        return flags.pad(sign + digits, zeros=False)
    if flags.sharp and form != "b":
        digits = _with_point(digits, form, precision)
    if sign == "+" and not flags.plus:
        return flags.pad(digits)
    if flags.zero and not flags.minus and flags.width is not None:
        return sign + digits.rjust(flags.width - 1, "0")
    return flags.pad(sign + digits)


def _with_point(number: str, form: str, precision: int | None) -> str:
    """A number under the sharp flag: with a point always, and with the zeros that %g leaves out."""
    body, mark, exponent = number.partition({"x": "p", "X": "P", "e": "e", "g": "e"}.get(form, "E"))
    missing = 0
    if form in "gGx":
        missing = 6 if precision is None else precision
    # From the first that is no zero on; the x of 0x counts as that.
    missing -= len(body.replace(".", "").lstrip("0"))
    if "." not in body:
        if body == "0":
            missing -= 1
        body += "."
    return body + "0" * missing + mark + exponent


def complex_(value: complex, verb: str, flags: Flags, bits: int = 64) -> str | None:
    """A complex number, of two floats of so many bits; the second has its sign always."""
    first = real(value.real, verb, flags, bits)
    second = real(value.imag, verb, replace(flags, plus=True), bits)
    if first is None or second is None:
        return None
    return joined("(", first, second, "i)")
