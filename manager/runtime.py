"""Makes queues, loops and the first pass of declared sources.

The one place that does so for all modes. It refuses to begin where a wake-up leads nowhere.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial

from controllers.shared import SharedState
from controllers.source import AnySource, FirstPass, Origin, Run, Wired
from controllers.wakeups import WiringError
from registrar.spire.background import background
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)


class Runtime:
    """The sources at work. Raises WiringError for a fault in how they were declared.

    ``unused`` are the wake-ups that the mode has no use for.
    """

    def __init__(
        self,
        sources: Sequence[AnySource],
        *,
        shared: SharedState,
        metrics: Metrics,
        unused: frozenset[str],
        tracer: Tracer | None = None,
    ) -> None:
        self._sources = sources
        self._last_good = shared.last_good
        for source in sources:
            _check(source)
        self._wired = {
            source.name: source.wire(metrics.controller(source.name), tracer) for source in sources
        }
        shared.wake.check(unused=unused, kinds={source.kind for source in sources if source.kind})
        self._late = [origin for origin in self._origins() if not origin.is_available]
        for origin in self._late:
            self._last_good.unavailable(origin.kind_name, "not all of its objects can be read")
            log.warning(
                "objects of a kind cannot be read, so entries that may be for them are kept and "
                "all else goes on",
                extra=kv(kind=origin.kind_name, remedy=origin.remedy),
            )

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield from self._runs(self._sources)

    def rehearsed_runs(self) -> Iterator[Run]:
        """The loops of a rehearsal, which has no use for what is only written about entries."""
        yield from self._runs(self._rehearsed)

    def _runs(self, sources: Sequence[AnySource]) -> Iterator[Run]:
        for source in sources:
            yield self._wired[source.name].run
            yield from source.runs
        for origin in self._late:
            yield partial(self._take_up, origin)

    async def first_pass(self) -> None:
        """Look at every key of every source that tells what is claimed; wait until that is done.

        A later source may have given an earlier one work, so the later ones are awaited first.
        """
        looked_at: list[Wired] = []
        for place in (FirstPass.AT_ONCE, FirstPass.OBJECTS, FirstPass.PODS):
            for wired in self._placed(place):
                await wired.look_at_all()
                if place is not FirstPass.AT_ONCE:
                    looked_at.insert(0, wired)
            for wired in looked_at:
                await wired.settled()

    @property
    def is_busy(self) -> bool:
        """Whether a source that is rehearsed has something to do at this moment."""
        return any(self._wired[source.name].queue.unfinished for source in self._rehearsed)

    async def settled(self) -> None:
        """Wait until no source that is rehearsed has anything to do; one may wake another."""
        while self.is_busy:
            for source in self._rehearsed:
                await self._wired[source.name].settled()

    def hasten(self) -> int:
        """Let what waits for its time, as what has failed does, come now; how much there was."""
        return sum(self._wired[source.name].queue.hasten() for source in self._rehearsed)

    async def tell(self) -> None:
        """Let people be told of every object, as far as there is something to tell; once."""
        telling = [source for source in self._sources if source.tells]
        async with background() as tasks:
            for source in telling:
                tasks.create_task(self._wired[source.name].run())
            for source in telling:
                await self._wired[source.name].look_at_all()
            for source in telling:
                await self._wired[source.name].settled()

    @property
    def _rehearsed(self) -> list[AnySource]:
        return [s for s in self._sources if s.first_pass is not FirstPass.AFTERWARDS]

    async def afterwards(self) -> None:
        """Look at every key of the sources that write about all that; do not wait for them."""
        for wired in self._placed(FirstPass.AFTERWARDS):
            await wired.look_at_all()

    def _placed(self, place: FirstPass) -> list[Wired]:
        return [self._wired[s.name] for s in self._sources if s.first_pass is place]

    def _origins(self) -> list[Origin]:
        """The kinds that sources decide on and that are read, each once."""
        found: list[Origin] = []
        for source in self._sources:
            found += [origin for origin in source.decides if origin not in found]
        return found

    async def _take_up(self, origin: Origin) -> None:
        """Let go what was kept for a kind, once it is known what all of its objects claim."""
        await origin.available()
        for source in self._sources:
            if origin in source.decides:
                await self._wired[source.name].settled()
        self._last_good.available(origin.kind_name)


def _check(source: AnySource) -> None:
    """Raises WiringError for a source that would be blind, or whose claims are nobody's."""
    if source.first_pass in {FirstPass.OBJECTS, FirstPass.PODS} and not source.kind:
        raise WiringError(f"the source {source.name!r} does not say of which kind its claims are")
    for watched in source.watches:
        for origin in watched.origins:
            if origin.is_needed and not origin.is_read:
                kind = origin.kind_name
                raise WiringError(f"the source {source.name!r} watches {kind}, which nobody reads")
