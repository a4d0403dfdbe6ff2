"""Refusals: named by code and reason, short, and never an error of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.errors import (
    MAX_MESSAGE,
    Conflict,
    KubeError,
    TooManyRequests,
    Unavailable,
    error_for,
    read_status,
)


@given(st.binary(max_size=2000), st.integers(300, 599))
def test_any_reply_at_all_becomes_an_error_with_a_short_message(body: bytes, code: int) -> None:
    error = error_for(code, read_status(body), call="GET /x")
    assert isinstance(error, KubeError)
    assert error.status == code
    assert 0 < len(str(error)) <= MAX_MESSAGE


def test_a_proxys_own_page_is_shown_in_short() -> None:
    error = error_for(502, read_status(b"<html>Bad Gateway</html>"))
    assert isinstance(error, Unavailable)
    assert "Bad Gateway" in str(error)


def test_a_reason_is_believed_whatever_the_message_says() -> None:
    body = b'{"kind":"Status","reason":"Conflict","code":409,"message":"already exists"}'
    assert type(error_for(409, read_status(body))) is Conflict


@pytest.mark.parametrize(("header", "seconds"), [(0.0, 3.0), (9.0, 9.0)])
def test_the_longer_of_both_hints_about_throttling_counts(header: float, seconds: float) -> None:
    status = read_status(
        b'{"reason":"TooManyRequests","code":429,"details":{"retryAfterSeconds":3}}'
    )
    error = error_for(429, status, retry_after=header)
    assert isinstance(error, TooManyRequests)
    assert error.retry_after == seconds
