"""Waits until a store holds what the API server holds now.

Who takes over from another must not act on less than that one knew: the watch of a standby may
lag behind. So the API server is asked for its present version, and the events up to it are
waited for. A quiet kind never shows that version by an event, and a bookmark comes once a
minute only; such a kind is listed anew, and only such a kind.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from api.meta import KubeObject
from registrar.backoff import Backoff
from registrar.kube.errors import KubeError
from registrar.kube.reflector import Reflector
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)

ASK_SECONDS = 10.0
"""How long the API server may take to tell its version, before it is asked again."""

EVENTS_SECONDS = 1.0
"""How long the events up to the present version may be on their way, at most."""

_LIST_SECONDS, _OBJECT_SECONDS = 0.02, 0.0002
"""What a list takes, about: for itself, and for each object."""


def patience_seconds(objects: int) -> float:
    """How long to wait for events of a kind of so many objects: as long as a list of them takes.

    A kind in which nothing changes is waited for in vain, and nobody writes meanwhile.
    """
    return min(EVENTS_SECONDS, _LIST_SECONDS + objects * _OBJECT_SECONDS)


class Barrier(Generic[T]):
    """One store's way to the present.

    ``may_lack`` tells of an error whether the process does without the kind, and
    ``is_lacking`` whether its reflector has found that it must. ``patience`` says for how
    many seconds events are waited for where the store holds so many objects.
    """

    def __init__(
        self,
        reflector: Reflector[T],
        *,
        name: str,
        may_lack: Callable[[KubeError], bool],
        is_lacking: Callable[[], bool],
        patience: Callable[[int], float] = patience_seconds,
    ) -> None:
        self._patience = patience
        self._reflector = reflector
        self._name = name
        self._may_lack = may_lack
        self._is_lacking = is_lacking
        self.problem = "the API server's present version is not known yet"
        """What it waits for, in words."""
        self.is_without = False
        """Whether it gave up: the process does without what is there now."""

    async def passed(self, since: float) -> bool:
        """Wait until the store holds all that was there at ``since``, by the event loop's clock.

        Tells whether that took a list.
        """
        if self._is_listed(since):
            return False
        seen = self._reflector.seen_version
        version = await self._present_version()
        if version is None:
            self.is_without = True
            return False
        # Strange versions cannot be compared; an earlier one is that of a restored backup.
        if version and version >= seen and await self._is_seen_soon(version, since):
            return False
        self.problem = "is being listed anew"
        failures = self._reflector.failures
        self._reflector.list_anew()
        await self._reflector.until(
            lambda: (
                self._is_listed(since)
                or (self._reflector.failures > failures and self._is_lacking())
            )
        )
        self.is_without = not self._is_listed(since)
        return True

    def _is_listed(self, since: float) -> bool:
        return self._reflector.listed_from >= since

    async def _present_version(self) -> int | None:
        """The version, None where the process does without the kind."""
        backoff = Backoff(base=0.2, maximum=10.0)
        while True:
            try:
                return await self._reflector.present_version(within_seconds=ASK_SECONDS)
            except KubeError as error:
                if self._may_lack(error):
                    return None
                if backoff.failures == 0:
                    log.warning(
                        "cannot see whether the cache is up to date, trying again",
                        extra=kv(kind=self._name, error=str(error)),
                    )
                self.problem = f"cannot see whether it is up to date: {error}"
                await asyncio.sleep(backoff.next_seconds())

    async def _is_seen_soon(self, version: int, since: float) -> bool:
        self.problem = f"waits for the events up to version {version}"
        try:
            async with asyncio.timeout(self._patience(self._reflector.size)):
                await self._reflector.until(
                    lambda: self._reflector.seen_version >= version or self._is_listed(since)
                )
        except TimeoutError:
            return False
        return True
