"""Leadership by a Lease: at most one of several replicas writes at a time.

The rules are client-go's. A holder counts as alive for its lease duration
after we saw its record change, by our own clock: remote clocks are never
compared. The holder itself stops after ``renew_deadline_seconds`` without a
successful renewal, counted from before the request, so it is silent for
``lease_seconds - renew_deadline_seconds`` before another may take over.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from api.codec import JSONObject
from api.core import Lease, LeaseSpec
from api.kinds import LEASE
from api.meta import ObjectKey, ObjectMeta
from registrar.kube.client import KubeClient
from registrar.kube.errors import Conflict, KubeError, NotFound
from registrar.telemetry.logging import kv
from registrar.telemetry.observers import LeaderObserver, Silent

log = logging.getLogger(__name__)

RELEASE_SECONDS = 3.0
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
    ) -> None:
        self._client = client
        self._key = ObjectKey(namespace, name)
        self._identity = identity
        self._timing = Timing(lease_seconds, renew_deadline_seconds, retry_seconds)
        self._clock = clock
        self._observer = observer or Silent()
        self._valid_until: float | None = None
        self._record: Lease | None = None
        self._observed_at = 0.0
        self.last_error = ""
        """Why the Lease could not be read or written last; empty when that worked."""

    def is_leader(self) -> bool:
        """Whether this process may write now; False by the clock alone, even after a stall."""
        return self._valid_until is not None and self._clock() < self._valid_until

    @property
    def holder(self) -> str:
        """The identity that held the Lease when it was last read, "" for none."""
        return (self._record.spec.holder_identity or "") if self._record is not None else ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Acquire, run ``lead`` while leading, compete again after a loss; for ever.

        ``lead`` is cancelled when leadership is lost. When it returns or
        raises, or this is cancelled, the Lease is given back, so that another
        replica need not wait for it to expire.
        """
        while True:
            await self._acquire()
            log.info("leading", extra=kv(lease=str(self._key), identity=self._identity))
            self._observer.leading(leads=True)
            try:
                finished = await self._hold(lead)
            finally:
                still_ours = self.is_leader()
                self._valid_until = None
                self._observer.leading(leads=False)
                if still_ours:
                    await self._release()
            if finished:
                return
            log.warning(
                "lost the lease, not leading any more",
                extra=kv(lease=str(self._key), holder=self.holder, error=self.last_error),
            )

    async def _acquire(self) -> None:
        while not await self._try():  # noqa: ASYNC110 - it polls another process
            await asyncio.sleep(self._pause_seconds())

    def _pause_seconds(self) -> float:
        spread = random.uniform(1.0, 1.2)  # noqa: S311 - keeps replicas out of step
        return self._timing.retry_seconds * spread

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
        while self._valid_until is not None:
            left = self._valid_until - self._clock()
            await asyncio.sleep(max(0.0, min(self._pause_seconds(), left)))
            if not self.is_leader():
                return
            if not await self._try() and self.holder != self._identity:
                self._valid_until = None
                return

    async def _try(self) -> bool:
        """One attempt to acquire or renew; any failure counts as "not now"."""
        started = self._clock()
        # Half of the deadline at most, so that one call that hangs leaves time for another.
        left = self._timing.renew_deadline_seconds / 2
        if self._valid_until is not None:
            left = max(min(self._valid_until - started, left), 0.0)
        try:
            async with asyncio.timeout(left):
                written = await self._write_if_free(started)
        except (KubeError, TimeoutError) as error:
            text = str(error) or "no answer in time"
            if text != self.last_error and not isinstance(error, Conflict):
                log.warning("cannot write the lease", extra=kv(lease=str(self._key), error=text))
            self.last_error = text
            return False
        except Exception as error:
            # Such as a Lease that somebody filled with what nobody foresaw.
            log.exception("unexpected error, going on", extra=kv(part=f"lease {self._key}"))
            self.last_error = f"{type(error).__name__}: {error}"
            return False
        self.last_error = ""
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
        if holder and holder != self._identity and now < self._expires_at(spec):
            return False
        wanted: JSONObject = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.lease_seconds)),
            "renewTime": _now(),
        }
        if holder != self._identity:
            wanted["acquireTime"] = _now()
            wanted["leaseTransitions"] = (spec.lease_transitions or 0) + 1
        self._see(await self._patch(lease, wanted), now)
        return True

    def _expires_at(self, spec: LeaseSpec) -> float:
        # The holder's own duration counts; without one, ours.
        return self._observed_at + (spec.lease_duration_seconds or self._timing.lease_seconds)

    def _see(self, lease: Lease, now: float) -> None:
        """Remember when the record changed last, by our clock."""
        if self._record is None or self._record.spec != lease.spec:
            self._observed_at = now
        self._record = lease

    async def _patch(self, lease: Lease, spec: JSONObject) -> Lease:
        """Change these fields of exactly that version; Conflict where somebody was faster."""
        patch: JSONObject = {
            "metadata": {"resourceVersion": lease.metadata.resource_version},
            "spec": spec,
        }
        return await self._client.merge_patch(LEASE, self._key, patch)

    def _new(self) -> Lease:
        now = _now()
        return Lease(
            metadata=ObjectMeta(name=self._key.name, namespace=self._key.namespace),
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
            async with asyncio.timeout(RELEASE_SECONDS):
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
