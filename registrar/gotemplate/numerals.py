"""How fmt writes texts and numbers under a verb, with flags, width and precision."""

from dataclasses import dataclass

from registrar.gotemplate.lexer import is_printable, quoted
from registrar.gotemplate.numbers import float32

_SMALL, _LARGE = -4, 6
"""Powers of ten from which on the shortest form has an exponent."""


@dataclass(slots=True)
class Flags:
    """What stands between ``%`` and the verb."""

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

    def pad(self, text: str) -> str:
        """The text at its width."""
        if self.width is None or len(text) >= self.width:
            return text
        if self.minus:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if self.zero else " ")

    def cut(self, text: str) -> str:
        """The text at its precision."""
        return text if self.precision is None else text[: self.precision]


def text(value: str, verb: str, flags: Flags) -> str | None:
    """A string; None for a verb that strings do not have."""
    if verb in "vs":
        if flags.sharp_v:
            return flags.pad(_sharply(value))
        return flags.pad(flags.cut(value))
    if verb == "q":
        cut = flags.cut(value)
        if flags.sharp and "`" not in cut and all(c == "\t" or is_printable(c) for c in cut):
            return flags.pad(f"`{cut}`")
        return flags.pad(quoted(cut, ascii_only=flags.plus))
    if verb in "xX":
        return flags.pad(_hexadecimal(value.encode("utf-8", "surrogateescape"), verb, flags))
    return None


def _sharply(value: str) -> str:
    return quoted(value)


def _hexadecimal(data: bytes, verb: str, flags: Flags) -> str:
    if flags.precision is not None:
        data = data[: flags.precision]
    digits = [f"{byte:02x}" for byte in data]
    if not digits:
        return ""
    prefix = "0x" if flags.sharp else ""
    joined = (" " + prefix).join(digits) if flags.space else "".join(digits)
    made = prefix + joined
    return made.upper() if verb == "X" else made


def integer(value: int, verb: str, flags: Flags) -> str | None:
    """An integer; None for a verb that integers do not have."""
    match verb:
        case "v" | "d":
            return _digits(value, str(abs(value)), "", flags)
        case "b":
            return _digits(value, f"{abs(value):b}", "0b" if flags.sharp else "", flags)
        case "o" | "O":
            digits = f"{abs(value):o}"
            prefix = "0o" if verb == "O" else ""
            if flags.sharp and not digits.startswith("0"):
                prefix += "0"
            return _digits(value, digits, prefix, flags)
        case "x" | "X":
            made = _digits(value, f"{abs(value):x}", "0x" if flags.sharp else "", flags)
            return made.upper() if verb == "X" else made
        case "c":
            return flags.pad(_character(value))
        case "q":
            return flags.pad(quoted(_character(value), "'", ascii_only=flags.plus))
        case "U":
            return _unicode(value, flags)
    return None


def _character(code: int) -> str:
    is_one = 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000
    return chr(code) if is_one else "\ufffd"


def _unicode(code: int, flags: Flags) -> str:
    number = code if code >= 0 else code + 2**64
    digits = max(4, flags.precision or 0)
    made = f"U+{number:0{digits}X}"
    if flags.sharp and number <= 0x10FFFF and is_printable(_character(number)):
        made += f" '{chr(number)}'"
    padded = Flags(minus=flags.minus, width=flags.width)
    return padded.pad(made)


def _digits(value: int, digits: str, prefix: str, flags: Flags) -> str:
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    if flags.precision is not None:
        if flags.precision == 0 and value == 0:
            return Flags(width=flags.width).pad("")
        digits = digits.rjust(flags.precision, "0")
    elif flags.zero and flags.width is not None and not flags.minus:
        digits = digits.rjust(flags.width - len(sign), "0")
        if prefix == "0" and digits.startswith("0"):
            prefix = ""
    if prefix == "0" and digits.startswith("0"):
        prefix = ""
    padded = Flags(minus=flags.minus, width=flags.width)
    return padded.pad(sign + prefix + digits)


def real(value: float, verb: str, flags: Flags, *, single: bool = False) -> str | None:
    """A float; None for a verb that floats do not have."""
    if verb not in "vbgGxXfFeE":
        return None
    if verb == "v":
        made = _shortest(value, flags.precision, single=single)
    elif verb == "b":
        made = _binary(value, 23 if single else 52)
    elif verb in "xX":
        made = _hex(value, flags.precision)
        made = made.upper() if verb == "X" else made
    elif verb in "gG" and flags.precision is None:
        made = _shortest(value, None, single=single)
    else:
        precision = 6 if flags.precision is None else flags.precision
        made = f"{value:{'#' if flags.sharp else ''}.{precision}{verb.replace('F', 'f')}}"
        made = _named(made)
    if verb in "GE":
        made = made.replace("e", "E")
    return _signed(made, flags)


def _named(made: str) -> str:
    return {
        "inf": "+Inf",
        "-inf": "-Inf",
        "nan": "NaN",
        "INF": "+Inf",
        "-INF": "-Inf",
        "NAN": "NaN",
    }.get(made, made)


def _signed(made: str, flags: Flags) -> str:
    """A number with its sign, padded; zeros go between the sign and the digits."""
    is_finite = made.lstrip("+-") not in {"Inf", "NaN"}
    if made.startswith(("-", "+")):
        sign, digits = made[0], made[1:]
    else:
        sign, digits = "", made
    if sign in {"", "+"}:
        plus = "+" if flags.plus or sign == "+" else ""
        sign = plus if not flags.space or flags.plus else " "
        if digits == "Inf" and not flags.plus and flags.space:
            sign = " "
    if digits == "NaN" and not flags.plus:
        sign = " " if flags.space else ""
    if flags.zero and is_finite and not flags.minus and flags.width is not None:
        return sign + digits.rjust(flags.width - len(sign), "0")
    return Flags(minus=flags.minus, width=flags.width).pad(sign + digits)


def _shortest(value: float, precision: int | None, *, single: bool) -> str:
    """As ``%g``: the fewest digits that mean the same number, or so many."""
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return _named(str(value))
    if precision is not None:
        return f"{value:.{precision or 1}g}"
    digits, exponent = _decimal(value, single=single)
    sign = "-" if str(value).startswith("-") else ""
    if exponent < _SMALL or exponent >= _LARGE:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{sign}{whole}{'.' + rest if rest else ''}"


def _decimal(value: float, *, single: bool) -> tuple[str, int]:
    """The fewest significant digits, and the exponent of the first."""
    shown = f"{abs(value):.16e}"
    for count in range(17):
        shown = f"{abs(value):.{count}e}"
        if (float32(float(shown)) if single else float(shown)) == abs(value):
            break
    mantissa, _, exponent = shown.partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _binary(value: float, bits: int) -> str:
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return _named(str(value))
    mantissa, exponent = 0, -149 if bits == 23 else -1074
    if value:
        hexadecimal = abs(value).hex()
        body, _, power = hexadecimal[2:].partition("p")
        whole, _, fraction = body.partition(".")
        mantissa = int(whole + fraction.ljust(13, "0"), 16) >> (52 - bits)
        exponent = int(power) - bits
    sign = "-" if str(value).startswith("-") else ""
    return f"{sign}{mantissa}p{exponent:+d}"


def _hex(value: float, precision: int | None) -> str:
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return _named(str(value))
    sign = "-" if str(value).startswith("-") else ""
    if value == 0:
        fraction = "." + "0" * precision if precision else ""
        return f"{sign}0x0{fraction}p+00"
    body, _, power = abs(value).hex()[2:].partition("p")
    whole, _, fraction = body.partition(".")
    exponent = int(power)
    if precision is None:
        fraction = fraction.rstrip("0")
    else:
        bits = int(whole + fraction.ljust(13, "0"), 16)
        shift = 4 * (13 - precision)
        if shift > 0:
            half = 1 << (shift - 1)
            rest = bits & ((1 << shift) - 1)
            bits >>= shift
            if rest > half or (rest == half and bits & 1):
                bits += 1
            digits = f"{bits:x}"
            if len(digits) > precision + 1 or digits[0] == "2":
                exponent, digits = exponent + 1, "1" + "0" * precision
            whole, fraction = digits[0], digits[1:]
        else:
            fraction = fraction.ljust(precision, "0")
    dot = "." if fraction else ""
    return f"{sign}0x{whole}{dot}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def complex_(value: complex, verb: str, flags: Flags) -> str | None:
    """A complex number: both parts, the second with its sign."""
    first = real(value.real, verb, flags)
    with_sign = Flags(
        plus=True,
        width=flags.width,
        precision=flags.precision,
        minus=flags.minus,
        zero=flags.zero,
        sharp=flags.sharp,
    )
    second = real(value.imag, verb, with_sign)
    if first is None or second is None:
        return None
    return f"({first}{second}i)"
