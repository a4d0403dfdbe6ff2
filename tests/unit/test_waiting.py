"""How the tests themselves wait."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from devcluster.client import NotFound
from tests.support.waiting import eventually, until


def away_at_first(error: Exception) -> Callable[[], bool]:
    """A condition that cannot be looked at the first two times, does not hold once, then holds."""
    answers: Iterator[Exception | bool] = iter((error, error, False, True))

    def holds() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return holds


@pytest.mark.parametrize(
    "error", [NotFound("404"), KeyError("a"), IndexError(), FileNotFoundError()]
)
async def test_what_is_away_for_a_moment_is_waited_for(error: Exception) -> None:
    await until(away_at_first(error))
    condition = away_at_first(error)

    async def asked() -> bool:
        return condition()

    await eventually(asked)


@pytest.mark.looptime
async def test_what_never_comes_is_named_when_the_time_is_over() -> None:
    def missing() -> bool:
        raise NotFound("GET /pods/a: 404")

    with pytest.raises(TimeoutError, match="GET /pods/a: 404"):
        await until(missing, 10.0)


@pytest.mark.looptime
async def test_what_does_not_become_true_is_given_up_in_time() -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await until(lambda: False, 10.0)
    assert asyncio.get_running_loop().time() - started == pytest.approx(10.0, abs=1.0)


async def test_every_other_error_is_told_at_once() -> None:
    def wrong() -> bool:
        raise RuntimeError("500")

    with pytest.raises(RuntimeError, match="500"):
        await until(wrong)
