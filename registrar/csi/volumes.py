"""All volumes of the node: published, taken up again after a restart, unpublished.

Calls for one volume come one after the other; those for others do not wait.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from registrar.csi import volumefiles
from registrar.csi.ailments import BUNDLE_LEFT_OUT, NOT_SHOWN, Ailment
from registrar.csi.delivery import Delivery, supplies_of
from registrar.csi.notices import Notices, Sayer
from registrar.csi.patience import Patience
from registrar.csi.records import Records
from registrar.csi.refusals import Left, NotReady, OtherParameters
from registrar.csi.threads import forgetful, in_thread, uninterrupted
from registrar.csi.turns import Turn, Turns, first_of
from registrar.csi.views import Views
from registrar.csi.volume import Volume
from registrar.csi.watch import LOOK_SECONDS, Watch
from registrar.csi.wish import Wish
from registrar.csi.workloadapi import Exposed, WorkloadAPIFolder
from registrar.errors import InvalidField
from registrar.spire.delegated import DelegatedIdentity
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import tell

log = logging.getLogger(__name__)

_RESTART_SECONDS = 5.0


class Mounts(volumefiles.Mounts, Protocol):
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

    @property
    def is_waiting(self) -> bool:
        """Whether it has no files yet."""
        return self.delivery is not None and not self.delivery.ready.is_set()


class Volumes:
    """See the module. ``run`` must be running.

    ``agent`` None: volumes of files are refused, and those of before are left as they are.
    ``workload_api`` is the agent's socket; ``secrets`` what no Pod may see beside it.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        *,
        agent: DelegatedIdentity | None,
        mounts: Mounts,
        records: Records,
        node_name: str,
        workload_api: Path | None,
        secrets: Mapping[str, Path],
        limits: Limits,
        observer: Observer,
        sayer: Sayer,
    ) -> None:
        self._supplies = (
            None if agent is None else supplies_of(agent, mounts, node_name, observer.rotated)
        )
        self._mounts = mounts
        self._records = records
        folder = None
        if workload_api is not None:
            folder = WorkloadAPIFolder(workload_api.parent, secrets=secrets, mounts=mounts)
        self._notices = Notices(sayer)
        self._views = Views(folder, notices=self._notices)
        self._watch = Watch(self._notices, patience_seconds=limits.agent_away)
        self._patience = Patience(limits.first_svid)
        self._agent_away = limits.agent_away
        self._observer = observer
        self._live: dict[str, _Live] = {}
        self._turns = Turns()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_ending = asyncio.Event()
        self.taken_up = asyncio.Event()
        """Set once everything that was there before has been taken up."""

    async def run(self) -> None:
        """Take up what is remembered, then keep volumes up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if self._supplies is not None:
                tasks.create_task(self._supplies.bundles.run())
            await self._resume()
            self.taken_up.set()
            tasks.create_task(self._keep_looking())
            await self._views.keep(self._turns.take)

    async def publish(self, volume: Volume, *, remaining_seconds: float | None = None) -> None:
        """Have the volume there, with its files, before the caller gives up.

        Raises NotReady, OtherParameters, Exposed, Left, OSError. What failed leaves nothing behind.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._turns.take(volume.id) as turn:
            if remaining_seconds is not None:
                remaining_seconds -= loop.time() - began
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
                await self._until_ready(live, turn, remaining_seconds)
                return
            if live is not None:
                # Somebody unmounted it behind our back.
                await uninterrupted(self._stop(live))
            await self._begin(volume, turn, remaining_seconds)
            self._observer.first_svid(loop.time() - began)

    async def unpublish(self, volume_id: str, target: Path) -> None:
        """Have nothing left of the volume, whatever there was. Raises OtherParameters, OSError."""
        self._check_alone(volume_id, target)
        async with self._turns.take(volume_id, is_leaving=True):
            self._patience.forget(volume_id)
            self._notices.forget(volume_id)
            live = self._live.get(volume_id)
            if live is not None:
                await uninterrupted(self._undo(live))
            await in_thread(self._mounts.remove, target)
            await in_thread(self._records.remove, volume_id)

    def end_waiting(self) -> None:
        """Let no call wait any more: the driver ends, and whoever waits should hear so."""
        self._is_ending.set()

    def abnormal(self, volume_id: str) -> str | None:
        """What is wrong with a volume, empty for nothing; None for one that there is not."""
        live = self._live.get(volume_id)
        if live is None:
            return None
        ailment = self._ailment(live)
        return "" if ailment is None else ailment.message

    def shows_folder(self, volume_id: str) -> bool:
        """Whether a volume is a view of the Workload API's folder, and holds nothing itself."""
        live = self._live.get(volume_id)
        return live is not None and live.delivery is None

    def target_of(self, volume_id: str) -> Path | None:
        """Where a volume is."""
        live = self._live.get(volume_id)
        return None if live is None else live.volume.path

    def states(self) -> dict[str, int]:
        """Volumes by state, as the gauge names the states."""
        counts = {"waiting": 0, "serving": 0, "abnormal": 0}
        for live in self._live.values():
            if live.is_waiting:
                counts["waiting"] += 1
            else:
                counts["abnormal" if self._ailment(live) else "serving"] += 1
        return counts

    def ailments(self) -> Mapping[str, int]:
        """How many volumes are abnormal, by reason."""
        found = (self._ailment(live) for live in self._live.values() if not live.is_waiting)
        return Counter(ailment.reason for ailment in found if ailment is not None)

    def broken_bundles(self) -> int:
        """How many trust domains' bundles cannot be read."""
        return 0 if self._supplies is None else len(self._supplies.bundles.broken())

    def nearest_expiry(self) -> float:
        """Seconds until the first SVID expires; NaN without any."""
        ends = [
            live.delivery.expires_at
            for live in self._live.values()
            if live.delivery is not None and live.delivery.expires_at is not None
        ]
        return min(ends) - time.time() if ends else float("nan")

    def _ailment(self, live: _Live) -> Ailment | None:
        if live.delivery is not None:
            return live.delivery.ailment(self._agent_away)
        why = self._views.problem(live.volume.id)
        return Ailment(NOT_SHOWN, why) if why else None

    async def _keep_looking(self) -> None:
        """See now and then how volumes stand, and say what is wrong with them."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for live in list(self._live.values()):
                if live.delivery is not None and not live.is_waiting:
                    tell("look at a volume", partial(self._look, live))

    def _look(self, live: _Live) -> None:
        now = asyncio.get_running_loop().time()
        self._watch.look(live.volume, self._ailment(live), now)

    async def _begin(self, volume: Volume, turn: Turn, remaining_seconds: float | None) -> None:
        """A volume that is not there yet."""
        live = _Live(volume)
        if volume.wish.mode == "files" and self._supplies is None:
            raise NotReady(
                "the driver has no agent_admin_socket_path: set it, or take the mode workload-api"
            )
        try:
            await in_thread(self._records.save, volume)
            if self._supplies is None or volume.wish.mode == "workload-api":
                await self._views.show(volume)
                self._live[volume.id] = live
            else:
                self._start(live, Delivery(volume, self._supplies, is_mounted=False))
                await self._until_ready(live, turn, remaining_seconds)
        except BaseException:
            # Not even a cancelled call leaves anything behind: the kubelet calls again.
            await uninterrupted(self._undo(live))
            raise

    def _check_alone(self, volume_id: str, target: Path) -> None:
        """No other volume is there: nobody writes into it, or takes it away. Raises."""
        for other in self._live.values():
            if other.volume.id != volume_id and other.volume.path == target:
                raise OtherParameters(f"volume {other.volume.id} is published at {target}")

    def _start(self, live: _Live, made: Delivery) -> None:
        if self._tasks is None:
            raise RuntimeError("run is not running")
        live.delivery = made
        live.task = self._tasks.create_task(forgetful(_kept_up(made, live.volume)))
        self._live[live.volume.id] = live

    async def _until_ready(self, live: _Live, turn: Turn, remaining_seconds: float | None) -> None:
        """Wait for the first files; says why it waits. Raises NotReady, Left."""
        made, volume = live.delivery, live.volume
        if made is None or made.ready.is_set():
            return
        wait = self._patience.called(volume.id, remaining_seconds)
        first = min(wait.said_in_seconds, wait.seconds)
        ends = (made.ready, turn.left, self._is_ending)
        is_late = await first_of(*ends, seconds=first)
        if is_late and first < wait.seconds:
            self._notices.begin(volume, made.waiting())
            await first_of(*ends, seconds=wait.seconds - first)
        if turn.left.is_set():
            raise Left(f"volume {volume.id} was unpublished meanwhile")
        if self._is_ending.is_set() and not made.ready.is_set():
            raise Left("the node driver ends, as for an update: the next one is asked again")
        if not made.ready.is_set():
            raise NotReady(made.waiting().message)
        self._patience.forget(volume.id)
        self._notices.end(volume, "the Pod's SVID is there")
        if why := made.left_out():
            self._notices.begin(volume, Ailment(BUNDLE_LEFT_OUT, why))

    async def _stop(self, live: _Live) -> None:
        if live.task is not None:
            live.task.cancel()
            await asyncio.wait([live.task])
        self._live.pop(live.volume.id, None)
        self._views.forget(live.volume.id)
        self._watch.forget(live.volume.id)

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
        if self._supplies is None:
            log.warning("nobody renews a volume", extra=kv(volume=volume.id, why="no admin socket"))
            return
        made = Delivery(volume, self._supplies, is_mounted=True)
        await made.take_up()
        self._start(live, made)

    def _is_there(self, volume: Volume, wish: Wish) -> bool:
        """Whether a volume is mounted. Blocks."""
        if wish.mode == "files":
            return self._mounts.settle(volume.path)
        return self._views.is_possible and self._mounts.is_mounted(volume.path)


async def _kept_up(made: Delivery, volume: Volume) -> None:
    """Run a delivery; a mistake of ours in one must not end the others."""
    while True:
        try:
            await made.run()
        except Exception:
            log.exception("a delivery failed, and begins anew", extra=kv(volume=volume.id))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A task group may have told of the failure in the place of the cancellation.
                raise asyncio.CancelledError from None
        await asyncio.sleep(_RESTART_SECONDS)
