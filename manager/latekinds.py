"""Kinds that cannot be read when a term begins: nothing of them is known to be absent.

The sources of a mode say of each optional kind which controllers must have
looked at its objects before what may have been theirs is let go.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from controllers.lastgood import LastGood
from manager.wiring import Run
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

Settled = Callable[[], Awaitable[None]]


class Late(Protocol):
    """A Cache of whatever kind."""

    @property
    def kind_name(self) -> str:
        """The kind, as owners are recorded with it."""
        ...

    @property
    def is_read(self) -> bool:
        """Whether the configuration has it read at all."""
        ...

    @property
    def is_available(self) -> bool:
        """Whether it is installed and may be read."""
        ...

    @property
    def remedy(self) -> str:
        """What to do when it is not."""
        ...

    async def available(self) -> None:
        """Wait until the store is full."""
        ...


class LateKinds:
    """The optional kinds of one term; no entry is for an object of the ``others``."""

    def __init__(
        self,
        last_good: LastGood,
        kinds: Sequence[tuple[Late, Sequence[Settled]]],
        *,
        others: Sequence[Late] = (),
    ) -> None:
        self._last_good = last_good
        self._late = [
            (cache, settled) for cache, settled in kinds if cache.is_read and not cache.is_available
        ]
        for cache, _ in self._late:
            self._last_good.unavailable(cache.kind_name, "it is not installed or may not be read")
        for cache in (*(cache for cache, _ in self._late), *others):
            if cache.is_read and not cache.is_available:
                log.warning(
                    "a kind cannot be read, so what may be for its objects is kept and all else "
                    "goes on",
                    extra=kv(
                        kind=cache.kind_name,
                        remedy=f"{cache.remedy}, or let the configuration leave the kind out",
                    ),
                )

    def runs(self) -> Iterator[Run]:
        """The loops to run: each ends when its kind was taken up."""
        for cache, settled in self._late:
            yield partial(self._take_up, cache, settled)

    async def _take_up(self, cache: Late, settled: Sequence[Settled]) -> None:
        await cache.available()
        for each in settled:
            await each()
        self._last_good.available(cache.kind_name)
