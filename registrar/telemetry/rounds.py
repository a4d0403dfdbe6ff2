"""Loops that go on whatever happens in one of their rounds."""

import logging
from collections.abc import Awaitable, Callable

from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


async def attempt(what: str, step: Callable[[], Awaitable[None]]) -> bool:
    """Do one round of a loop; tells whether it went well.

    An error that nobody foresaw is logged with its traceback. It must end neither the loop nor
    the process: one odd object would then stop the work for all others, at each restart again.
    """
    try:
        await step()
    except Exception as error:
        log.exception("unexpected error, going on", extra=kv(part=what, error=error))
        return False
    return True


def tell(what: str, step: Callable[[], None]) -> None:
    """Call a listener; an error that nobody foresaw is logged, and the one who tells goes on."""
    try:
        step()
    except Exception as error:
        log.exception("unexpected error, going on", extra=kv(part=what, error=error))
