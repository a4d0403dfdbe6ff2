"""Floats as text, in the forms of Go's strconv: ``b e E f g G x X``, shortest or to a precision."""

import math
import struct

_FROM, _BELOW = -4, 6
"""Powers of ten that the shortest form writes without an exponent."""


def formatted(value: float, form: str, precision: int | None, bits: int) -> str:
    """A float of so many bits; no precision means the fewest digits that give it back.

    A positive number has no sign; infinity is ``Inf``.
    """
    sign = "-" if math.copysign(1, value) < 0 and not math.isnan(value) else ""
    size = abs(value)
    if math.isnan(size) or math.isinf(size):
        return sign + ("NaN" if math.isnan(size) else "Inf")
    match form.lower():
        case "b":
            made = _binary(size, bits)
        case "x":
            made = _hexadecimal(size, precision)
        case "g":
            made = _general(size, precision, bits)
        case "f":
            made = f"{size:.{precision or 0}f}"
        case _:
            made = f"{size:.{precision or 0}e}"
    return sign + (made.upper() if form.isupper() else made)


def float32(value: float) -> float:
    """The nearest float32."""
    try:
        packed: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return packed


def _general(size: float, precision: int | None, bits: int) -> str:
    if precision is not None:
        return f"{size:.{precision or 1}g}"
    digits, exponent = _shortest(size, bits)
    if not _FROM <= exponent < max(_BELOW, 0):
        point = "." if len(digits) > 1 else ""
        return f"{digits[0]}{point}{digits[1:]}e{exponent:+03d}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole, rest = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole


def _shortest(size: float, bits: int) -> tuple[str, int]:
    """The fewest significant digits that mean this number, and the power of ten of the first."""
    shown = f"{size!r}" if bits == 64 else _shortest32(size)
    mantissa, _, power = f"{shown}e0".partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    exponent = len(digits) - len(rest) - 1 + int(power.removesuffix("e0") or 0)
    return digits.rstrip("0") or "0", exponent if digits else 0


def _shortest32(size: float) -> str:
    for count in range(9):
        shown = f"{size:.{count}e}"
        if float32(float(shown)) == size:
            return shown
    return f"{size:.9e}"


def _mantissa(size: float, bits: int) -> tuple[int, int]:
    """The number as an integer times a power of two, as IEEE 754 stores it."""
    width, lowest = (24, -149) if bits == 32 else (53, -1074)
    fraction, exponent = math.frexp(size)
    power = max(exponent - width, lowest) if size else lowest
    return int(math.ldexp(fraction, exponent - power)), power


def _binary(size: float, bits: int) -> str:
    mantissa, power = _mantissa(size, bits)
    return f"{mantissa}p{power:+d}"


def _hexadecimal(size: float, precision: int | None) -> str:
    """One digit before the point, which is 1 but for zero, the others rounded half to even."""
    mantissa, power = _mantissa(size, 64)
    if not mantissa:
        fraction, power = "", 0
    else:
        missing = 53 - mantissa.bit_length()
        mantissa, power = mantissa << missing, power - missing + 52
        if precision is not None and precision < 13:
            mantissa = _rounded(mantissa, 4 * (13 - precision))
            if mantissa >> 53:
                mantissa, power = mantissa >> 1, power + 1
        fraction = f"{mantissa:014x}"[1:]
    lead = "1" if mantissa else "0"
    fraction = fraction.rstrip("0") if precision is None else fraction.ljust(precision, "0")
    if precision is not None and precision < 13:
        fraction = fraction[:precision]
    return f"0x{lead}{'.' if fraction else ''}{fraction}p{power:+03d}"


def _rounded(number: int, bits: int) -> int:
    """The number with the lowest bits zero, rounded half to even."""
    half = 1 << (bits - 1)
    kept, rest = number >> bits, number & ((1 << bits) - 1)
    if rest > half or (rest == half and kept & 1):
        kept += 1
    return kept << bits
