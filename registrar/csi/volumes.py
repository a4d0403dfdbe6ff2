"""All volumes of the node: published, taken up again after a restart, unpublished.

Calls for one volume come one after the other; those for others do not wait.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from registrar.csi import delivery
from registrar.csi.bundles import SharedBundles
from registrar.csi.delivery import Delivery
from registrar.csi.records import Records
from registrar.csi.refusals import Left, NotReady, OtherParameters
from registrar.csi.threads import forgetful, in_thread, uninterrupted
from registrar.csi.views import Sayer, Views
from registrar.csi.volume import Volume
from registrar.csi.wish import Wish
from registrar.csi.workloadapi import Exposed, WorkloadAPIFolder
from registrar.errors import InvalidField
from registrar.spire.delegated import DelegatedIdentity
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_SAID_AFTER_SECONDS = 3.0
"""How long a Pod waits before an Event says why."""
_RESTART_SECONDS = 5.0


class Mounts(delivery.Mounts, Protocol):
    """What volumes need of the kernel; ``registrar.csi.mounts.LinuxMounts`` has it."""

    def is_mounted(self, target: Path) -> bool:
        """Whether anything is mounted there."""
        ...

    def settle(self, target: Path) -> bool:
        """Only our tmpfs there; tells whether there is one."""
        ...

    def ensure_bind(self, folder: Path, target: Path) -> None:
        """Exactly one read-only view of the folder at the target."""
        ...

    def unmount(self, target: Path) -> None:
        """Nothing mounted there any more."""
        ...

    def remove(self, target: Path) -> None:
        """Nothing there any more."""
        ...


class Observer(Protocol):
    """Hears what happens; ``registrar.telemetry.csimetrics.CSIMetrics`` is one."""

    def first_svid(self, seconds: float) -> None:
        """A new volume has its files."""
        ...

    def rotated(self, seconds: float) -> None:
        """The files of a volume were changed, so long after the agent's message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds."""

    first_svid: float = 30.0
    agent_away: float = 600.0


@dataclass(slots=True)
class _Live:
    """A volume that is there; ``delivery`` None for one that only shows the Workload API."""

    volume: Volume
    delivery: Delivery | None = None
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Turn:
    """Whose turn it is with one volume; ``left`` is set while somebody wants it gone."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: int = 0
    users: int = 0


class Volumes:
    """See the module. ``run`` must be running.

    ``workload_api`` is the agent's socket; ``secrets`` what no Pod may see beside it.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        *,
        agent: DelegatedIdentity,
        mounts: Mounts,
        records: Records,
        node_name: str,
        workload_api: Path | None,
        secrets: Mapping[str, Path],
        limits: Limits,
        observer: Observer,
        sayer: Sayer,
    ) -> None:
        self._agent = agent
        self._bundles = SharedBundles(agent)
        self._mounts = mounts
        self._records = records
        self._node_name = node_name
        folder = None
        if workload_api is not None:
            folder = WorkloadAPIFolder(workload_api.parent, secrets=secrets, mounts=mounts)
        self._views = Views(folder, sayer=sayer)
        self._limits = limits
        self._observer = observer
        self._sayer = sayer
        self._live: dict[str, _Live] = {}
        self._turns: dict[str, _Turn] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.taken_up = asyncio.Event()
        """Set once everything that was there before has been taken up."""

    async def run(self) -> None:
        """Take up what is remembered, then keep volumes up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._bundles.run())
            await self._resume()
            self.taken_up.set()
            await self._views.keep(self._turn)

    async def publish(self, volume: Volume) -> None:
        """Have the volume there, with its files.

        Raises NotReady, OtherParameters, Exposed, Left, OSError. What failed leaves nothing behind.
        """
        began = asyncio.get_running_loop().time()
        async with self._turn(volume.id) as turn:
            live = self._live.get(volume.id)
            if live is not None and live.volume != volume:
                raise OtherParameters(
                    f"volume {volume.id} is published at {live.volume.target} for Pod "
                    f"{live.volume.pod.namespace}/{live.volume.pod.name} already"
                )
            self._check_alone(volume.id, volume.path)
            if live is not None and live.delivery is None:
                await self._views.show(volume)
                return
            if live is not None and await in_thread(self._mounts.settle, volume.path):
                await self._until_ready(live, turn)
                return
            if live is not None:
                # Somebody unmounted it behind our back.
                await uninterrupted(self._stop(live))
            await self._begin(volume, turn)
            self._observer.first_svid(asyncio.get_running_loop().time() - began)

    async def unpublish(self, volume_id: str, target: Path) -> None:
        """Have nothing left of the volume, whatever there was. Raises OtherParameters, OSError."""
        self._check_alone(volume_id, target)
        async with self._turn(volume_id, is_leaving=True):
            live = self._live.get(volume_id)
            if live is not None:
                await uninterrupted(self._undo(live))
            await in_thread(self._mounts.remove, target)
            await in_thread(self._records.remove, volume_id)

    def abnormal(self, volume_id: str) -> str | None:
        """What is wrong with a volume, empty for nothing; None for one that there is not."""
        live = self._live.get(volume_id)
        if live is None:
            return None
        if live.delivery is None:
            return self._views.problem(volume_id)
        return live.delivery.abnormal(self._limits.agent_away)

    def target_of(self, volume_id: str) -> Path | None:
        """Where a volume is."""
        live = self._live.get(volume_id)
        return None if live is None else live.volume.path

    def states(self) -> dict[str, int]:
        """Volumes by state, as the gauge names the states."""
        counts = {"waiting": 0, "serving": 0, "abnormal": 0}
        for live in self._live.values():
            if live.delivery is None:
                counts["abnormal" if self._views.problem(live.volume.id) else "serving"] += 1
            elif not live.delivery.ready.is_set():
                counts["waiting"] += 1
            else:
                is_abnormal = live.delivery.abnormal(self._limits.agent_away)
                counts["abnormal" if is_abnormal else "serving"] += 1
        return counts

    def broken_bundles(self) -> int:
        """How many trust domains' bundles cannot be read."""
        return len(self._bundles.broken())

    def nearest_expiry(self) -> float:
        """Seconds until the first SVID expires; NaN without any."""
        ends = [
            live.delivery.expires_at
            for live in self._live.values()
            if live.delivery is not None and live.delivery.expires_at is not None
        ]
        return min(ends) - time.time() if ends else float("nan")

    async def _begin(self, volume: Volume, turn: _Turn) -> None:
        """A volume that is not there yet."""
        live = _Live(volume)
        try:
            await in_thread(self._records.save, volume)
            if volume.wish.mode == "workload-api":
                await self._views.show(volume)
                self._live[volume.id] = live
            else:
                self._start(live, self._delivery(volume, is_mounted=False))
                await self._until_ready(live, turn)
        except BaseException:
            # Not even a cancelled call leaves anything behind: the kubelet calls again.
            await uninterrupted(self._undo(live))
            raise

    def _check_alone(self, volume_id: str, target: Path) -> None:
        """No other volume is there: nobody writes into it, or takes it away. Raises."""
        for other in self._live.values():
            if other.volume.id != volume_id and other.volume.path == target:
                raise OtherParameters(f"volume {other.volume.id} is published at {target}")

    def _delivery(self, volume: Volume, *, is_mounted: bool) -> Delivery:
        return Delivery(
            volume,
            agent=self._agent,
            bundles=self._bundles,
            mounts=self._mounts,
            node_name=self._node_name,
            is_mounted=is_mounted,
            rotated=self._observer.rotated,
        )

    def _start(self, live: _Live, made: Delivery) -> None:
        if self._tasks is None:
            raise RuntimeError("run is not running")
        live.delivery = made
        live.task = self._tasks.create_task(forgetful(_kept_up(made, live.volume)))
        self._live[live.volume.id] = live

    async def _until_ready(self, live: _Live, turn: _Turn) -> None:
        """Wait for the first files; says why it waits. Raises NotReady, Left."""
        made = live.delivery
        if made is None or made.ready.is_set():
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.first_svid
        saying = min(_SAID_AFTER_SECONDS, self._limits.first_svid / 2)
        if await _first_of(made.ready, turn.left, seconds=saying):
            self._sayer.warn(live.volume.pod, made.reason, made.why_waiting())
            await _first_of(made.ready, turn.left, seconds=until - loop.time())
        if turn.left.is_set():
            raise Left(f"volume {live.volume.id} was unpublished meanwhile")
        if not made.ready.is_set():
            raise NotReady(made.why_waiting())
        if why := made.left_out():
            self._sayer.warn(live.volume.pod, "BundleLeftOut", why)

    async def _stop(self, live: _Live) -> None:
        if live.task is not None:
            live.task.cancel()
            await asyncio.wait([live.task])
        self._live.pop(live.volume.id, None)
        self._views.forget(live.volume.id)

    async def _undo(self, live: _Live) -> None:
        """Leave nothing of a volume."""
        await self._stop(live)
        await in_thread(self._mounts.remove, live.volume.path)
        await in_thread(self._records.remove, live.volume.id)

    async def _resume(self) -> None:
        """Take up what was there before a restart, without asking anybody but the kernel."""
        for volume in await in_thread(self._records.load):
            try:
                wish = volume.wish
            except InvalidField as error:
                log.warning("metadata makes no sense", extra=kv(volume=volume.id, why=str(error)))
                continue
            try:
                await self._take_up(volume, wish)
            except OSError as error:
                # One volume that cannot be had must not keep the driver from the others.
                log.warning("a volume is left", extra=kv(volume=volume.id, why=str(error)))
        log.info("volumes taken up", extra=kv(number=len(self._live)))

    async def _take_up(self, volume: Volume, wish: Wish) -> None:
        """One volume of before a restart. Raises OSError."""
        if any(live.volume.path == volume.path for live in self._live.values()):
            log.warning("two volumes of one target", extra=kv(volume=volume.id))
            return
        if not await in_thread(self._is_there, volume, wish):
            # The node was started anew, or the volume was half-way published or
            # unpublished: the kubelet calls again where there is still a Pod.
            log.info("a volume is gone", extra=kv(volume=volume.id, target=volume.target))
            await in_thread(self._records.remove, volume.id)
            return
        live = _Live(volume)
        if wish.mode == "workload-api":
            self._live[volume.id] = live
            with contextlib.suppress(Exposed, OSError):
                await self._views.show(volume)
            return
        made = self._delivery(volume, is_mounted=True)
        await made.take_up()
        self._start(live, made)

    def _is_there(self, volume: Volume, wish: Wish) -> bool:
        """Whether a volume is mounted. Blocks."""
        if wish.mode == "files":
            return self._mounts.settle(volume.path)
        return self._views.is_possible and self._mounts.is_mounted(volume.path)

    @contextlib.asynccontextmanager
    async def _turn(self, volume_id: str, *, is_leaving: bool = False) -> AsyncIterator[_Turn]:
        """Wait for the turn. Whoever waits for an SVID gives it up to those who leave."""
        turn = self._turns.setdefault(volume_id, _Turn())
        turn.users += 1
        turn.leaving += is_leaving
        if is_leaving:
            turn.left.set()
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.users -= 1
            turn.leaving -= is_leaving
            if not turn.leaving:
                turn.left.clear()
            if not turn.users:
                del self._turns[volume_id]


async def _kept_up(made: Delivery, volume: Volume) -> None:
    """Run a delivery; a mistake of ours in one must not end the others."""
    while True:
        try:
            await made.run()
        except Exception:
            log.exception("a delivery failed", extra=kv(volume=volume.id))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A task group may have told of the failure in the place of the cancellation.
                raise asyncio.CancelledError from None
        await asyncio.sleep(_RESTART_SECONDS)


async def _first_of(*events: asyncio.Event, seconds: float) -> bool:
    """Wait for one of the events; tells whether none came in time."""
    try:
        async with asyncio.timeout(max(0.0, seconds)), asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(event.wait()) for event in events]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    except TimeoutError:
        return True
    return False
