"""One assertion: a sentence, and how to find out whether it is true."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from registrar.kube.errors import KubeError
from topology.workloadapi import Unanswered

PAUSE_SECONDS = 1.0
"""Between two looks at something that is not true yet."""


class Untrue(Exception):  # noqa: N818 - named by what was found
    """The assertion does not hold; the message says what was found instead."""


@dataclass(frozen=True, slots=True)
class Check:
    """An assertion that becomes true within ``seconds`` and then is reported as such.

    ``look`` raises Untrue, or an error of one of the APIs, as long as it does not hold. With
    0 seconds it is looked at once: what is refused now must not be asked again until it is.
    """

    sentence: str
    look: Callable[[], Awaitable[None]]
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one check; ``why`` is empty when it holds."""

    sentence: str
    why: str
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether it holds."""
        return not self.why


async def verdicts(checks: Sequence[Check]) -> AsyncIterator[Verdict]:
    """Look at one after the other, at all of them."""
    for check in checks:
        begun = time.monotonic()
        why = await _why_untrue(check)
        yield Verdict(check.sentence, why, time.monotonic() - begun)


async def _why_untrue(check: Check) -> str:
    deadline = time.monotonic() + check.seconds
    while True:
        try:
            async with asyncio.timeout(max(check.seconds, 30.0)):
                await check.look()
        except (Untrue, Unanswered, KubeError) as error:
            why = str(error) or type(error).__name__
        except TimeoutError:
            why = "no answer in time"
        else:
            return ""
        if time.monotonic() >= deadline:
            return why
        await asyncio.sleep(PAUSE_SECONDS)
