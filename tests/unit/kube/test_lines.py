"""Lines of a stream, however the network cuts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.errors import Unavailable
from registrar.kube.lines import LineSplitter


@given(st.lists(st.binary(max_size=6).map(lambda b: b.replace(b"\n", b"-")), max_size=6), st.data())
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter, seen = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += splitter.feed(stream[:size])
        stream = stream[size:]
    assert seen == [line for line in lines if line]


def test_a_line_without_end_is_given_up() -> None:
    splitter = LineSplitter(limit=10)
    splitter.feed(b"12345")
    with pytest.raises(Unavailable):
        splitter.feed(b"678901")


def test_the_limit_is_one_for_each_line() -> None:
    splitter = LineSplitter(limit=10)
    assert splitter.feed(b"12345\n67890\n123") == [b"12345", b"67890"]
    assert splitter.feed(b"4567\n") == [b"1234567"]
