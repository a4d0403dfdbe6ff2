"""What is done one after the other: each step is stated before it is done."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from manager.migrate.installation import Unclear
from manager.migrate.waiting import NotInTime
from registrar.errors import printable
from registrar.kube.errors import KubeError
from registrar.spire.errors import SpireError

SO_ALREADY = "it is so already"


@dataclass(frozen=True, slots=True)
class Step:
    """``run`` gives what came of it, in words; it may be repeated."""

    title: str
    run: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    title: str
    is_done: bool
    what: str


async def perform(
    steps: Sequence[Step],
    *,
    before: Callable[[int, Step], None],
    after: Callable[[Outcome], None],
) -> list[Outcome]:
    """Do the steps; the first that fails is the last. Gives what became of each."""
    found: list[Outcome] = []
    for number, step in enumerate(steps, 1):
        before(number, step)
        try:
            outcome = Outcome(step.title, is_done=True, what=await step.run())
        except (KubeError, SpireError, NotInTime, Unclear, OSError) as error:
            outcome = Outcome(step.title, is_done=False, what=printable(str(error)))
        found.append(outcome)
        after(outcome)
        if not outcome.is_done:
            break
    return found
