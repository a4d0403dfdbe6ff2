"""Inputs made of others: cut, repeated, nested, spliced, and sprinkled with what hurts."""

from collections.abc import Sequence

from hypothesis import strategies as st

HURTFUL: tuple[bytes, ...] = (
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    "\u202e".encode(),
    "\u2028".encode(),
    b"\x1b[31m",
    b"\r\n",
    b"\n\n",
    b"..",
    b"../",
    b"/",
    b"//",
    b"%00",
    b"%n",
    b"$",
    b"${",
    b"'",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"[",
    b"}",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"9223372036854775808",
    b"18446744073709551616",
    b"NaN",
    b" " * 300,
)

ANY = st.binary(max_size=200)


@st.composite
def _mutated(draw: st.DrawFn, seeds: Sequence[bytes], marks: Sequence[bytes]) -> bytes:
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 8, 64, 4096])))
        mark = draw(st.sampled_from(marks))
        match draw(st.integers(0, 6)):
            case 0:
                data = data[:start]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:start] + mark + data[end:]
            case 3:
                times = draw(st.sampled_from([2, 10, 150]))
                data = data[:start] + data[start:end] * times + data[end:]
            case 4:
                times = draw(st.sampled_from([2, 50, 1500]))
                data = data[:start] + mark * times + data[start:]
            case 5:
                other = draw(st.sampled_from(seeds))
                data = data[:start] + other[draw(st.integers(0, len(other))) :]
            case _:
                data = data[:start] + draw(st.binary(min_size=1, max_size=8)) + data[end:]
    return data


def mutated(seeds: Sequence[bytes], marks: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """Each seed, changed in a few places; ``marks`` are words of its language."""
    return _mutated(tuple(seeds), (*HURTFUL, *marks))


def text_of(data: bytes) -> str:
    """As a text that a server, or a file that is read as UTF-8, can hold."""
    return data.decode("utf-8", "replace")
