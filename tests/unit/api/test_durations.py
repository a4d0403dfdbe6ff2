"""Durations as Go reads and prints them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.durations import parse_duration

LONGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("10s", 10_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("-1.5m", -90_000_000_000),
        ("+2ms", 2_000_000),
        ("3us", 3_000),
        ("3µs", 3_000),
        ("3μs", 3_000),
        ("7ns", 7),
        ("1m1h", 3_660_000_000_000),
        ("1s1s", 2_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.9ns", 0),
        ("0.000000000001h", 3),
        ("000000000000000000000000000001s", 1_000_000_000),
        ("9223372036854775807ns", LONGEST),
        ("-9223372036854775808ns", -LONGEST - 1),
        ("2562047h47m16.854775807s", LONGEST),
        ("9223372036.854775807s", LONGEST),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty duration"),
        ("-", "an empty duration"),
        ("3", "no unit after 3"),
        ("1h3", "no unit after 3"),
        ("s", "a number is missing before 's'"),
        (".s", "a number is missing before '.s'"),
        (".", "a number is missing before '.'"),
        ("1d", "unknown unit 'd'"),
        ("1H", "unknown unit 'H'"),
        ("1 s", "unknown unit ' s'"),
        (" 1s", "a number is missing before ' '"),
        ("1s ", "unknown unit 's '"),
        ("--1s", "a number is missing before '-'"),
        ("1e3s", "unknown unit 'e'"),
        ("0x1s", "unknown unit 'x'"),
        ("\u0661s", "a number is missing before '\u0661s'"),
        ("9223372036854775808ns", "292 years"),
        ("-9223372036854775809ns", "292 years"),
        ("2562047h47m16.854775808s", "292 years"),
        ("99999999999999999999999999h", "292 years"),
        ("2562048h", "292 years"),
    ],
)
def test_what_go_would_not_read_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_duration(text)


@given(st.text(alphabet="0123456789.+-nuµmsh x", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert abs(parse_duration(text)) <= LONGEST + 1


@pytest.mark.parametrize("text", ["1h" * 1_000_000, "0" * 101 + "s", "." * 1_000_000])
def test_a_duration_has_a_length(text: str) -> None:
    with pytest.raises(ValueError, match="more than 100 characters"):
        parse_duration(text)
