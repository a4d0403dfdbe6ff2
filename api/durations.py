"""Durations as Go writes them: ``90s``, ``1h30m``, ``1.5h``, ``250ms``.

The grammar is that of Go's time.ParseDuration: decimal numbers, each with a
unit, one after the other, with an optional sign in front; ``0`` needs no unit.
"""

import re
from fractions import Fraction

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 2**63


def parse_duration(text: str) -> int:
    """The nanoseconds of a duration. Raises ValueError, naming the text."""
    sign, rest = 1, text
    if rest[:1] in {"+", "-"}:
        sign = -1 if rest[0] == "-" else 1
        rest = rest[1:]
    if rest == "0":
        return 0
    total, place = 0, 0
    while place < len(rest):
        found = _PART.match(rest, place)
        if found is None or not (found[1] or found[2]):
            raise ValueError(f"{text!r} is not a duration")
        number = Fraction(int(found[1] or "0"))
        if found[2]:
            number += Fraction(int(found[2]), 10 ** len(found[2]))
        total += int(number * _UNITS[found[3]])
        place = found.end()
    if not rest:
        raise ValueError(f"{text!r} is not a duration")
    if total >= _LONGEST and not (sign < 0 and total == _LONGEST):
        raise ValueError(f"{text!r} is too long a duration")
    return sign * total
