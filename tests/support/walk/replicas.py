"""The registrars of a walk: they stop, are killed, lose their servers, and others take over."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from manager.process import Process
from registrar.errors import LeadershipLost
from registrar.settings.model import Settings
from tests.support.setup import until
from tests.support.walk.line import Line
from tests.support.walk.servers import Servers

log = logging.getLogger(__name__)


@dataclass
class Replica:
    """One registrar with lines of its own to its servers."""

    process: Process
    api: Line
    spire: Line
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_cut_off(self) -> bool:
        """Whether it cannot reach one of its servers."""
        return self.api.is_cut or self.spire.is_cut


class Replicas:
    """Runs registrars that ``make`` gives. One that has lost its Lease is started again."""

    def __init__(self, servers: Servers, make: Callable[[Settings], Process]) -> None:
        self._servers = servers
        self._make = make
        self._tasks: asyncio.TaskGroup | None = None
        self.running: list[Replica] = []

    @contextlib.asynccontextmanager
    async def managed(self) -> AsyncIterator[None]:
        """Let registrars run until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                for replica in self.running:
                    replica.stop.set()

    async def start(self) -> Replica:
        """Start one more."""
        assert self._tasks is not None
        started = asyncio.get_running_loop().create_future()
        self._tasks.create_task(self._keep_up(started))
        replica: Replica = await started
        return replica

    async def end(self, replica: Replica, *, cleanly: bool) -> None:
        """Stop one; or kill it: it has no chance to say goodbye to anybody."""
        if not cleanly:
            replica.api.cut()
            replica.spire.cut()
        replica.stop.set()
        await replica.ended.wait()

    async def end_all(self, *, cleanly: bool) -> None:
        """Stop or kill all."""
        for replica in list(self.running):
            await self.end(replica, cleanly=cleanly)

    async def _keep_up(self, started: "asyncio.Future[Replica]") -> None:
        """Run one registrar, and run it again as a kubelet would, until it is to stop."""
        async with self._servers.lines() as (api, spire, settings):
            replica = Replica(self._make(settings), api, spire)
            self.running.append(replica)
            started.set_result(replica)
            try:
                while not replica.stop.is_set():
                    await self._live(replica)
                    if not replica.stop.is_set():
                        replica.process = self._make(settings)
            finally:
                self.running.remove(replica)
                replica.ended.set()

    async def _live(self, replica: Replica) -> None:
        """One life of a registrar."""
        async with asyncio.TaskGroup() as tasks:

            async def work() -> None:
                try:
                    await replica.process.run()
                except* LeadershipLost:
                    log.info("a registrar lost its Lease, ended, and is started again")
                stopping.cancel()

            working = tasks.create_task(work())
            stopping = tasks.create_task(replica.stop.wait())
            stopping.add_done_callback(lambda _: working.cancel())

    async def until_looked(self, replica: Replica) -> None:
        """Wait until one leads and has looked at everything."""
        try:
            await until(lambda: replica.process.first_pass_is_over)
        except TimeoutError:
            why = replica.process.why_not_ready()
            raise AssertionError(f"it does not get through its first pass: {why}") from None
