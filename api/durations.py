"""Durations as Go writes them: ``10s``, ``1h30m``, ``1.5h``, ``-2ms``.

The grammar and the arithmetic are those of ``time.ParseDuration``, because
that is what objects and configuration files were written for.
"""

import re

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(\.?)([0-9]*)([^0-9.]*)")
_MOST_TEXT = 100
"""The longest that Go prints has 24; a text of many parts means what a short one can say."""
_LIMIT = 1 << 63
_MOST_FRACTION = (_LIMIT - 1) // 10


def parse_duration(text: str) -> int:
    """The nanoseconds of a Go duration. Raises ValueError that says what is wrong with it."""
    if len(text) > _MOST_TEXT:
        raise ValueError(f"a duration of more than {_MOST_TEXT} characters")
    sign, rest = 1, text
    if rest[:1] in {"-", "+"}:
        sign, rest = (-1 if rest[0] == "-" else 1), rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise ValueError("an empty duration")
    total = 0
    for part in _PART.findall(rest):
        if any(part):
            total += _part(*part)
            _check(total)
    if sign > 0 and total == _LIMIT:
        raise ValueError("a duration of more than 292 years")
    return sign * total


def _part(whole: str, dot: str, fraction: str, unit: str) -> int:
    """One number with its unit."""
    if not whole and not fraction:
        raise ValueError(f"a number is missing before {(dot + unit)!r}")
    if not unit:
        raise ValueError(f"no unit after {whole}{dot}{fraction}")
    size = _NANOSECONDS.get(unit)
    if size is None:
        raise ValueError(f"unknown unit {unit!r}, the units are ns, us, ms, s, m and h")
    # The bound on the digits keeps a very long number from becoming a very big one.
    amount = int(whole.lstrip("0")[:20] or "0") * size
    _check(amount)
    amount += _fraction(fraction, size)
    _check(amount)
    return amount


def _fraction(digits: str, size: int) -> int:
    """The nanoseconds behind the point, in floating point as Go reckons them."""
    value, scale = 0, 1.0
    for digit in digits:
        # What no longer fits is left out, not rounded.
        if value > _MOST_FRACTION:
            break
        value = value * 10 + int(digit)
        scale *= 10
    return int(value * (size / scale))


def _check(amount: int) -> None:
    if amount > _LIMIT:
        raise ValueError("a duration of more than 292 years")
