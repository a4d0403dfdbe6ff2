"""Loops go on whatever happens in a round."""

import asyncio

import pytest

from registrar.telemetry.rounds import attempt, tell


async def test_an_unexpected_error_ends_a_round_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("odd")

    assert not await attempt("drift check", fails)
    assert "unexpected error" in caplog.text
    assert "odd" in caplog.text


async def test_a_cancelled_round_ends_the_loop() -> None:
    async def waits() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await attempt("drift check", waits)


def test_a_listener_that_fails_does_not_end_who_tells(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RecursionError("deep")

    tell("change of pods", fails)
    assert "deep" in caplog.text
