"""Runs the checks one after another; what cannot be looked at is a finding and stops no other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from api.codec import DecodeError
from manager.doctor.finding import Finding, Unlooked, warning
from manager.doctor.world import World
from registrar.errors import InvalidField
from registrar.kube.errors import Forbidden, KubeError
from registrar.spire.errors import PermissionDenied, SpireError
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 30.0
"""For one check as a whole; each call has a shorter one of its own."""

Look = Callable[[World], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at, in a group. ``about`` is said where it cannot be looked at."""

    group: str
    name: str
    about: str
    look: Look


async def examine(checks: Iterable[Check], world: World) -> AsyncIterator[tuple[str, Finding]]:
    """Look at everything; gives each finding with its group, as soon as it is there."""
    for check in checks:
        for finding in await _looked(check, world):
            yield check.group, finding


async def _looked(check: Check, world: World) -> list[Finding]:
    """What a check finds; never an error."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await check.look(world)
    except Unlooked as error:
        return [_unlooked(check, str(error), error.remedy)]
    except Forbidden as error:
        remedy = "run this as somebody who has the right, or give it"
        return [_unlooked(check, str(error), remedy)]
    except PermissionDenied as error:
        return [_unlooked(check, error.message, "give our SPIFFE ID an admin entry")]
    except TimeoutError:
        return [_unlooked(check, f"no answer within {DEADLINE_SECONDS:g} s", "")]
    except (KubeError, SpireError, DecodeError, InvalidField, OSError) as error:
        return [_unlooked(check, str(error) or type(error).__name__, "")]
    except Exception as error:
        # One check that is wrong itself must not keep the others from being looked at.
        log.exception("a check failed", extra=kv(check=check.name))
        return [_unlooked(check, f"{type(error).__name__}: {error}", "report this fault")]


def _unlooked(check: Check, why: str, remedy: str) -> Finding:
    return warning(
        check.name,
        f"{check.about} cannot be looked at: {why}",
        meaning="whether this is right is not known",
        remedy=remedy or "see to that first, and run this again",
    )
