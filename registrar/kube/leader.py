"""Leadership by a Lease: at most one of several replicas writes at a time.

The rules are client-go's. A holder counts as alive for its lease duration
after we saw its record change, by our own clock: remote clocks are never
compared. The holder itself stops after ``renew_deadline_seconds`` without a
successful renewal, counted from before the request, so it is silent for
``lease_seconds - renew_deadline_seconds`` before another may take over.

An elector leads once. A lost Lease is an error that ends the process, as in
controller-runtime: nothing of what was known while leading is used again.

A Lease may also stand beside another one: ``Beside`` has what is different then.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.codec import JSONObject
from api.core import Lease, LeaseSpec
from api.kinds import LEASE
from api.meta import ObjectKey, ObjectMeta
from registrar.ending import Ending
from registrar.errors import LeadershipLost
from registrar.kube.client import KubeClient
from registrar.kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from registrar.telemetry.logging import kv
from registrar.telemetry.observers import LeaderObserver, Silent

log = logging.getLogger(__name__)

_MOST_PAUSES = 16
"""Times the usual pause, at most, between attempts where the Lease may not be written."""

LOOK_SECONDS = 0.5
"""Between two looks of who waits for the Lease, at most: a look only reads, and while a replica is
replaced all that is to be written waits for it."""

RELEASE_SECONDS = 2.0
"""How long giving the Lease back may take at shutdown."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: validity of the Lease, when a holder gives up, and between attempts."""

    lease_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Raises ValueError where a holder would not stop before the Lease expires."""
        if not 0 < self.retry_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError("need 0 < retry < renew deadline < lease duration")


@dataclass(frozen=True, slots=True)
class Beside:
    """How a Lease is held that says who does something, where other means say who may.

    ``annotations`` tell people, and those who wait, about the holder. ``succeeds`` tells of the
    Lease as it is held now whether its holder is known to have stopped, so that nobody need
    wait until it expires. ``goes_on``: where the Lease may not be written, lead without it;
    it is tried again and again. ``stands_back`` tells of a Lease that may not be written whether
    its holder, who may go on without it as well, must be waited for though it seems to have
    expired. ``waits`` is told the Lease while another holds it.
    ``is_shared``: several processes hold it together, by one identity, so that none gives it back.
    ``is_patient``: a Lease that could not be renewed in time is not lost. Nothing may be written
    from then on, until it is renewed or another holder is seen.
    """

    annotations: Mapping[str, str] = field(default_factory=dict)
    succeeds: Callable[[Lease], bool] = lambda _: False
    goes_on: bool = False
    stands_back: Callable[[Lease], bool] = lambda _: False
    waits: Callable[[Lease], None] = lambda _: None
    is_shared: bool = False
    is_patient: bool = False


class LeaderElector:
    """Competes for one Lease as ``identity``; see ``run`` and ``is_leader``.

    ``client`` should have a Session of its own, so that renewals never wait
    behind other traffic, and no gate. ``clock`` gives monotonic seconds.
    """

    def __init__(  # noqa: PLR0913 - the signature that people know from client-go
        self,
        client: KubeClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        lease_seconds: float = 15.0,
        renew_deadline_seconds: float = 10.0,
        retry_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        observer: LeaderObserver | None = None,
        beside: Beside | None = None,
        ending: Ending | None = None,
    ) -> None:
        self._client = client
        self._key = ObjectKey(namespace, name)
        self._identity = identity
        self._timing = Timing(lease_seconds, renew_deadline_seconds, retry_seconds)
        self._clock = clock
        self._observer = observer or Silent()
        self._beside = beside or Beside()
        self._ending = ending or Ending()
        self._valid_until: float | None = None
        self._may_not_write = False
        self._pauses = 1
        self.tried = asyncio.Event()
        """Set after the first attempt to have the Lease, whatever came of it."""
        self.is_unrecorded = False
        """Whether it leads without the Lease, because this may not be written."""
        self._record: Lease | None = None
        self._observed_at = 0.0
        self.last_error = ""
        """Why the Lease could not be read or written last; empty when that worked."""

    def is_leader(self) -> bool:
        """Whether this process may write now; False by the clock alone, even after a stall."""
        return self.is_unrecorded or self._is_valid()

    def _is_valid(self) -> bool:
        return self._valid_until is not None and self._clock() < self._valid_until

    @property
    def holder(self) -> str:
        """The identity that held the Lease when it was last read, "" for none."""
        return (self._record.spec.holder_identity or "") if self._record is not None else ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, then run ``lead``, once. Raises LeadershipLost.

        ``lead`` is cancelled when the Lease is lost, and the error raised when it has ended.
        When ``lead`` returns or raises, or this is cancelled, the Lease is given back, so that
        another replica need not wait for it to expire.
        """
        try:
            await self._acquire()
            if not self.is_unrecorded:
                self._say_held()
            self._observer.leading(leads=True)
            finished = await self._hold(lead)
        finally:
            still_ours = self._is_valid()
            self._valid_until, self.is_unrecorded = None, False
            self._observer.leading(leads=False)
            if still_ours and not self._beside.is_shared:
                await self._release()
        if not finished:
            raise LeadershipLost(self._why_lost())

    def _why_lost(self) -> str:
        """What became of the Lease, in words."""
        if self.holder != self._identity:
            return f"the Lease {self._key} is held by {self.holder or 'nobody'} now"
        error = self.last_error or "this process was stopped or too slow"
        return f"the Lease {self._key} was not renewed in time: {error}"

    async def _acquire(self) -> None:
        # Finished where the process is told to end: what was taken must be given back.
        while True:
            has_it = await self._ending.finished(self._attempt())
            # Told here, where leading begins at once: who waits for it shall not be quicker.
            self.tried.set()
            if has_it or self._goes_on():
                return
            await asyncio.sleep(self._look_seconds())

    def _look_seconds(self) -> float:
        """The pause of who waits. One whose attempts fail tries no more often than a holder."""
        pause = self._pause_seconds()
        return pause if self.last_error else min(pause, LOOK_SECONDS)

    def _say_held(self) -> None:
        log.info("holds the lease", extra=kv(lease=str(self._key), identity=self._identity))

    def _goes_on(self) -> bool:
        """Lead without the Lease where it may not be written, unless another is seen to hold it."""
        if not self._beside.goes_on or not self._may_not_write:
            return False
        if self._is_anothers() or self._stands_back():
            return False
        if not self.is_unrecorded:
            log.warning(
                "may not write the lease, going on without: nobody sees who holds it",
                extra=kv(lease=str(self._key), error=self.last_error),
            )
        # Rights are often given a moment later; then ever more rarely is enough.
        self._pauses = min(2 * self._pauses, _MOST_PAUSES)
        self._valid_until, self.is_unrecorded = None, True
        return True

    def _pause_seconds(self) -> float:
        spread = random.uniform(1.0, 1.2)  # noqa: S311 - keeps replicas out of step
        return self._timing.retry_seconds * spread * self._pauses

    async def _hold(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Run ``lead`` and keep the Lease; whether ``lead`` came to its end by itself."""
        finished = False

        async def leading() -> None:
            nonlocal finished
            await lead()
            finished = True
            renewing.cancel()

        async with asyncio.TaskGroup() as group:
            work = group.create_task(leading())
            renewing = group.create_task(self._renew_while_held())
            renewing.add_done_callback(lambda _: work.cancel())
        return finished

    async def _renew_while_held(self) -> None:
        """Renew until the Lease is lost: taken by another, or not renewed in time."""
        while True:
            pause = self._pause_seconds()
            if self._valid_until is not None and self._is_valid():
                pause = max(0.0, min(pause, self._valid_until - self._clock()))
            await asyncio.sleep(pause)
            if not self.is_leader() and not self._beside.is_patient:
                return
            if await self._attempt():
                if self.is_unrecorded:
                    self.is_unrecorded = False
                    self._say_held()
            elif not self._goes_on() and self._is_lost():
                self._valid_until, self.is_unrecorded = None, False
                return

    def _is_too_late(self) -> bool:
        """Whether the Lease that was held may not be renewed any more, for its time is over."""
        return not self._beside.is_patient and not self._is_valid()

    def _is_lost(self) -> bool:
        """Whether another is seen to hold what this one held, or went on without."""
        return self._is_anothers() if self.is_unrecorded else self.holder != self._identity

    def _is_anothers(self) -> bool:
        """Whether the Lease, as it was seen last, is another's and has not expired."""
        if self._record is None or self.holder in {"", self._identity}:
            return False
        return self._clock() < self._expires_at(self._record.spec)

    def _stands_back(self) -> bool:
        """Whether the Lease, as it was seen last, is of one who may go on without it too."""
        if self._record is None or self.holder in {"", self._identity}:
            return False
        return self._beside.stands_back(self._record)

    async def _attempt(self) -> bool:
        """One attempt to acquire or renew; any failure counts as "not now"."""
        started = self._clock()
        # Half of the deadline at most, so that one call that hangs leaves time for another.
        left = self._timing.renew_deadline_seconds / 2
        if self._valid_until is not None and self._is_valid():
            left = max(min(self._valid_until - started, left), 0.0)
        try:
            async with asyncio.timeout(left):
                written = await self._write_if_free(started)
        except (KubeError, TimeoutError) as error:
            text = str(error) or "no answer in time"
            # By the server's word: a Lease that cannot be read says nothing of rights.
            refused = isinstance(error, Forbidden | Invalid | NotFound) and error.status > 0
            self._may_not_write = refused
            is_told = self._beside.goes_on and refused and not self._stands_back()
            if text != self.last_error and not isinstance(error, Conflict) and not is_told:
                log.warning("cannot write the lease", extra=kv(lease=str(self._key), error=text))
            self.last_error = text
            return False
        except Exception as error:
            # Such as a Lease that somebody filled with what nobody foresaw.
            log.exception("unexpected error, going on", extra=kv(part=f"lease {self._key}"))
            self._may_not_write = False
            self.last_error = f"{type(error).__name__}: {error}"
            return False
        self.last_error, self._may_not_write, self._pauses = "", False, 1
        if written:
            self._valid_until = started + self._timing.renew_deadline_seconds
        return written

    async def _write_if_free(self, now: float) -> bool:
        try:
            lease = await self._client.get(LEASE, self._key)
        except NotFound:
            self._see(await self._client.create(LEASE, self._new()), now)
            return True
        self._see(lease, now)
        spec = lease.spec
        holder = spec.holder_identity or ""
        if self._valid_until is not None and (holder != self._identity or self._is_too_late()):
            # It was held: whoever has had it since, if only for a moment, has written.
            return False
        is_anothers = bool(holder) and holder != self._identity and now < self._expires_at(spec)
        if is_anothers and not self._beside.succeeds(lease):
            if not self.is_unrecorded:
                self._beside.waits(lease)
            return False
        wanted: JSONObject = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.lease_seconds)),
            "renewTime": _now(),
        }
        if holder != self._identity:
            wanted["acquireTime"] = _now()
            wanted["leaseTransitions"] = (spec.lease_transitions or 0) + 1
        annotations = self._beside.annotations if holder != self._identity else {}
        self._see(await self._patch(lease, wanted, annotations), now)
        return True

    def _expires_at(self, spec: LeaseSpec) -> float:
        # The holder's own duration counts; without one, ours.
        return self._observed_at + (spec.lease_duration_seconds or self._timing.lease_seconds)

    def _see(self, lease: Lease, now: float) -> None:
        """Remember when the record changed last, by our clock."""
        if self._record is None or self._record.spec != lease.spec:
            self._observed_at = now
        self._record = lease

    async def _patch(
        self, lease: Lease, spec: JSONObject, annotations: Mapping[str, str] | None = None
    ) -> Lease:
        """Change these fields of exactly that version; Conflict where somebody was faster."""
        metadata: JSONObject = {"resourceVersion": lease.metadata.resource_version}
        if annotations:
            metadata["annotations"] = dict(annotations)
        patch: JSONObject = {"metadata": metadata, "spec": spec}
        return await self._client.merge_patch(LEASE, self._key, patch)

    def _new(self) -> Lease:
        now = _now()
        return Lease(
            metadata=ObjectMeta(
                name=self._key.name,
                namespace=self._key.namespace,
                annotations=dict(self._beside.annotations),
            ),
            spec=LeaseSpec(
                holder_identity=self._identity,
                lease_duration_seconds=max(1, round(self._timing.lease_seconds)),
                acquire_time=now,
                renew_time=now,
                lease_transitions=0,
            ),
        )

    async def _release(self) -> None:
        """Give the Lease back, if it is still ours; a failure only delays the next leader."""
        if self._record is None:
            return
        free: JSONObject = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": _now(),
            "acquireTime": _now(),
        }
        try:
            async with asyncio.timeout(self._ending.left(RELEASE_SECONDS)):
                try:
                    await self._patch(self._record, free)
                except Conflict:
                    # A renewal that was cut off had taken effect after all.
                    lease = await self._client.get(LEASE, self._key)
                    if lease.spec.holder_identity == self._identity:
                        await self._patch(lease, free)
        except (KubeError, TimeoutError) as error:
            log.info(
                "the lease was not given back", extra=kv(lease=str(self._key), error=str(error))
            )


def _now() -> str:
    """The wall clock as Leases carry it; for people to read, never compared."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
