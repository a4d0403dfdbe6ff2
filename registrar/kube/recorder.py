"""Kubernetes Events: what ``kubectl describe`` shows below an object.

Events are a courtesy. ``emit`` never waits and never fails; a queue of bounded
length, a budget per object and a pace for all of them keep a storm of
failures from becoming a storm of writes. Repetitions are counted on the Event
that is there already.
"""

import asyncio
import hashlib
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from msgspec.structs import replace

from api.core import Event, EventSource, ObjectReference
from api.kinds import EVENT
from api.meta import ObjectKey, ObjectMeta
from registrar.errors import printable
from registrar.kube.client import KubeClient
from registrar.kube.errors import AlreadyExists, KubeError, NotFound
from registrar.kube.ratelimit import TokenBucket
from registrar.telemetry.logging import kv
from registrar.telemetry.observers import EventObserver, Silent
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

WAITING = 1_000
"""Events that may wait; the oldest give way."""
REMEMBERED = 4_096
"""Events and objects remembered for counting and budgets; the longest unused are forgotten."""
WINDOW_SECONDS = 600.0
"""A repetition within it is counted on the first Event."""
OBJECT_BURST, OBJECT_PER_SECOND = 25.0, 1.0 / 300.0
TOTAL_BURST, TOTAL_PER_SECOND = 100.0, 25.0
NODE_BURST, NODE_PER_SECOND = 25.0, 1.0
MAX_MESSAGE = 1_024
"""Characters of a message; the API server refuses longer ones."""


@dataclass(frozen=True, slots=True)
class _Same:
    """What makes two Events the same one, happening twice; not the object's resourceVersion."""

    regarding: ObjectReference
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class _Waiting:
    """How often it happened since it was sent last, and the object as it was at the first time."""

    regarding: ObjectReference
    times: int = 1


@dataclass(slots=True)
class _Sent:
    """An Event on the server: where, how often, and when it was counted last."""

    key: ObjectKey
    count: int
    at: float


class EventRecorder:
    """Sends Events for one component; ``run`` does the sending and never ends by itself.

    ``node`` is the node that the component works for, where each has one. It may be killed at any
    time, so its Events have names that tell what they say: what was said is found again. All
    nodes may have the same to say at one time, so each says it slowly.
    """

    def __init__(
        self,
        client: KubeClient,
        component: str,
        instance: str,
        *,
        node: str = "",
        clock: Callable[[], float] | None = None,
        observer: EventObserver | None = None,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._node = node
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._observer = observer or Silent()
        self._waiting: OrderedDict[_Same, _Waiting] = OrderedDict()
        self._sent: OrderedDict[_Same, _Sent] = OrderedDict()
        self._budgets: OrderedDict[tuple[str, str, str, str], TokenBucket] = OrderedDict()
        self._wake = asyncio.Event()

    def emit(
        self,
        regarding: ObjectReference,
        *,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the field's name in the API
        reason: str,
        message: str,
    ) -> None:
        """Report something about an object; ``reason`` is one CamelCase word."""
        message = printable(message)
        if len(message) > MAX_MESSAGE:
            message = message[: MAX_MESSAGE - 1] + "…"
        same = _Same(replace(regarding, resource_version=""), type, reason, message)
        waiting = self._waiting.get(same)
        if waiting is not None:
            waiting.times += 1
            return
        if not self._budget(regarding).take(self._clock()):
            self._observer.dropped()
            return
        if len(self._waiting) >= WAITING:
            self._waiting.popitem(last=False)
            self._observer.dropped()
        self._waiting[same] = _Waiting(regarding)
        self._wake.set()

    async def run(self) -> None:
        """Send what is emitted until cancelled."""
        rate, burst = (
            (NODE_PER_SECOND, NODE_BURST) if self._node else (TOTAL_PER_SECOND, TOTAL_BURST)
        )
        pace = TokenBucket(rate, burst, self._clock())
        while True:
            while self._waiting:
                if pace.take(self._clock()):
                    same, waiting = self._waiting.popitem(last=False)
                    await attempt("Events", partial(self._send, same, waiting))
                else:
                    await asyncio.sleep(pace.seconds_until_next(self._clock()))
            self._wake.clear()
            await self._wake.wait()

    async def _send(self, same: _Same, waiting: _Waiting) -> None:
        try:
            await self._count_or_create(same, waiting)
        except KubeError as error:
            self._observer.dropped()
            log.debug("an event was not sent", extra=kv(reason=same.reason, error=str(error)))

    async def _count_or_create(self, same: _Same, waiting: _Waiting) -> None:
        now = self._clock()
        sent = self._sent.get(same)
        if sent is not None and now - sent.at < WINDOW_SECONDS:
            try:
                await self._client.merge_patch(
                    EVENT,
                    sent.key,
                    {"count": sent.count + waiting.times, "lastTimestamp": _timestamp()},
                )
            except NotFound:
                # The API server forgets Events after an hour; somebody may delete them earlier.
                del self._sent[same]
            else:
                sent.count += waiting.times
                sent.at = now
                self._sent.move_to_end(same)
                return
        event = self._event(same, waiting)
        try:
            created = await self._client.create(EVENT, event)
        except AlreadyExists:
            # Said before a restart. How often is not known: nobody here may read Events.
            await self._client.merge_patch(EVENT, event.key, {"lastTimestamp": _timestamp()})
            created = event
        self._sent[same] = _Sent(created.key, waiting.times, now)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _event(self, same: _Same, waiting: _Waiting) -> Event:
        regarding, now = waiting.regarding, _timestamp()
        # Events about cluster-scoped objects live in "default", by convention.
        namespace = regarding.namespace or "default"
        return Event(
            metadata=ObjectMeta(
                name=f"{regarding.name[:200]}.{self._suffix(same)}", namespace=namespace
            ),
            involved_object=regarding,
            reason=same.reason,
            message=same.message,
            type=same.type,
            source=EventSource(component=self._component, host=self._node),
            reporting_component=self._component,
            reporting_instance=self._instance,
            first_timestamp=now,
            last_timestamp=now,
            count=waiting.times,
        )

    def _suffix(self, same: _Same) -> str:
        """What tells Events of one object apart in their names."""
        if not self._node:
            return uuid.uuid4().hex[:16]
        said = f"{same.regarding.uid}\x00{same.type}\x00{same.reason}\x00{same.message}"
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _budget(self, regarding: ObjectReference) -> TokenBucket:
        about = (regarding.kind, regarding.namespace, regarding.name, regarding.uid)
        budget = self._budgets.get(about)
        if budget is None:
            budget = self._budgets[about] = TokenBucket(
                OBJECT_PER_SECOND, OBJECT_BURST, self._clock()
            )
            if len(self._budgets) > REMEMBERED:
                self._budgets.popitem(last=False)
        self._budgets.move_to_end(about)
        return budget


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
