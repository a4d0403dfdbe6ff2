"""The batching writer: everybody writes one entry, the server hears of many at once.

Natural batching: a write goes out at once when no call of its kind is under
way, and those that come meanwhile go together in the next call, as many as the
server does in a moment (``pace``). So an idle registrar is quick and a busy one
efficient, without a timer to tune.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import cast

from grpc import StatusCode

from registrar.identity.entry import Entry, EntryKey
from registrar.spire.background import background
from registrar.spire.calls import CallObserver, Unobserved
from registrar.spire.convert import DROPPABLE
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.entries import EntryClient, ItemResult
from registrar.spire.errors import Internal, NotFound, NotLeading, SpireError
from registrar.spire.lane import Kind, Queues, Result, Write
from registrar.spire.mirror import EntryMirror
from registrar.spire.pace import LARGEST, Pace
from registrar.telemetry.logging import kv
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)

_SERVICE = "spire.api.server.entry.v1.Entry"
_NO_KEY = EntryKey("", "", ())


class EntryWriter:
    """Writes entries while ``run`` runs, and keeps the mirror true to what the server answers.

    ``gate`` is asked just before each call whether we may write: a process
    that lost its lease sends nothing more. ``calls_per_kind`` is how many
    calls of one kind may be under way; writes to one entry never overtake
    each other, whatever it is. ``batch_size`` is the most entries in one call.
    Every failure is that of one entry: a call
    that fails as a whole fails its entries, each with an error of its own.
    ``dropped`` learns from the answers which attributes the server drops.
    """

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        client: EntryClient,
        mirror: EntryMirror,
        *,
        gate: Callable[[], bool] = lambda: True,
        observer: CallObserver | None = None,
        dropped: DroppedFields | None = None,
        tracer: Tracer | None = None,
        calls_per_kind: int = 2,
        batch_size: int = LARGEST,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._gate = gate
        self._observer = observer or Unobserved()
        self._tracer = tracer
        self._calls_per_kind = calls_per_kind
        self._paces = {kind: Pace(largest=batch_size) for kind in Kind}
        self._queues = Queues()
        self._asked: Counter[Kind] = Counter()
        self._dropped = dropped or DroppedFields()
        self._has_stopped = False

    @property
    def dropped_fields(self) -> frozenset[str]:
        """Attributes that we sent and that came back empty: this server does not know them."""
        return self._dropped.fields

    @property
    def room(self) -> int:
        """How many creations and updates to have under way: one call's, and those for the next.

        With more of them somebody new would wait longer for his turn, and the server does no more.
        """
        asked = [kind for kind in (Kind.CREATE, Kind.UPDATE) if self._asked[kind]]
        sizes = [self._paces[kind].size for kind in asked or [Kind.CREATE]]
        return (self._calls_per_kind + 1) * max(sizes)

    async def create(self, entry: Entry) -> Entry:
        """Create an entry and return it as the server holds it. Raises SpireError."""
        return cast("Entry", await self._submit(Kind.CREATE, entry))

    async def update(self, entry: Entry, fields: frozenset[str]) -> Entry:
        """Change those attributes and return the entry as the server holds it.

        Raises SpireError: NotFound when there is no such entry any more.
        """
        return cast("Entry", await self._submit(Kind.UPDATE, entry, fields))

    async def delete(self, entry_id: str) -> bool:
        """Delete an entry; False when there was none. Raises SpireError."""
        return cast("bool", await self._submit(Kind.DELETE, Entry(entry_id, _NO_KEY)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """``run`` in the background, until the block is left."""
        async with background() as tasks:
            tasks.create_task(self.run(), name="spire-writer")
            yield

    async def run(self) -> None:
        """Send until cancelled; what waits then fails with NotLeading, as does what comes later."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for kind in Kind:
                    for _ in range(self._calls_per_kind):
                        tasks.create_task(self._work(kind), name=f"spire-{kind.value}")
        finally:
            self._has_stopped = True
            for write in self._queues.waiting():
                write.fail(_stopped())

    async def _submit(
        self, kind: Kind, entry: Entry, fields: frozenset[str] = frozenset()
    ) -> Result:
        if self._has_stopped:
            raise _stopped()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queues.put(Write(kind, entry, future, fields))
        self._asked[kind] += 1
        try:
            return await future
        finally:
            self._asked[kind] -= 1

    async def _work(self, kind: Kind) -> None:
        """Send what waits in one lane, batch after batch."""
        lane = self._queues.lanes[kind]
        while True:
            taken = await lane.take(self._paces[kind].size)
            # Whoever was cancelled before his turn does not want it any more.
            wanted = [write for write in taken if not write.future.done()]
            try:
                if wanted:
                    await self._send(kind, wanted)
            finally:
                for write in taken:
                    write.fail(_stopped())
                    self._queues.done(write)

    def _traced(self, kind: Kind, writes: Sequence[Write]) -> AbstractContextManager[None]:
        """The span of a call: one write's own, or one linked to the spans of all its writes."""
        spans = [write.span for write in writes if write.span is not None]
        if self._tracer is None or not spans:
            return nullcontext()
        method = f"Batch{kind.value.title()}Entry"
        is_alone = len(writes) == 1
        return self._tracer.span(
            f"{_SERVICE}/{method}",
            attributes={
                "rpc.system": "grpc",
                "rpc.service": _SERVICE,
                "rpc.method": method,
                "spire.entry.count": len(writes),
            },
            parent=spans[0] if is_alone else None,
            links=() if is_alone else spans,
            is_call=True,
        )

    async def _send(self, kind: Kind, writes: Sequence[Write]) -> None:
        if not self._gate():
            for write in writes:
                write.fail(NotLeading("this process may not write: another one leads"))
            return
        self._observer.batched(kind.value, len(writes))
        began = asyncio.get_running_loop().time()
        with self._mirror.writing(write.entry.id for write in writes):
            try:
                # What the call raises has to leave its span, which knows of no failure else.
                with self._traced(kind, writes):
                    settle = await self._call(kind, writes)
            except SpireError as error:
                if error.code is StatusCode.DEADLINE_EXCEEDED:
                    self._took(kind, len(writes), began)
                for write in writes:
                    write.fail(error.again())
                return
            except Exception as error:
                # What nobody foresaw, such as an answer that cannot be read, is those entries'.
                log.exception("unexpected error, going on", extra=kv(part="SPIRE writes"))
                for write in writes:
                    write.fail(Internal(f"unexpected error: {type(error).__name__}: {error}"))
                return
            self._took(kind, len(writes), began)
            settle()

    async def _call(self, kind: Kind, writes: Sequence[Write]) -> Callable[[], None]:
        """Ask the server; gives what is to be done with its answers. Raises SpireError."""
        if kind is Kind.DELETE:
            answers = await self._client.delete([write.entry.id for write in writes])
            return partial(self._deleted, writes, answers)
        entries = [write.entry for write in writes]
        if kind is Kind.CREATE:
            results = await self._client.create(entries)
        else:
            results = await self._client.update(entries, writes[0].fields)
        return partial(self._written, writes, results)

    def _took(self, kind: Kind, writes: int, began: float) -> None:
        self._paces[kind].took(writes, asyncio.get_running_loop().time() - began)

    def _written(self, writes: Sequence[Write], results: Sequence[ItemResult]) -> None:
        for write, result in zip(writes, results, strict=True):
            if isinstance(result, Entry):
                result = _as_stored(result, write.entry)  # noqa: PLW2901 - the same entry
                self._mirror.wrote(result)
                self._dropped.learn(
                    write.entry.attributes,
                    result.attributes,
                    written=DROPPABLE if write.kind is Kind.CREATE else write.fields,
                )
                write.succeed(result)
                continue
            if isinstance(result, NotFound):
                self._mirror.removed(write.entry.id)
            write.fail(result)

    def _deleted(self, writes: Sequence[Write], results: Sequence[SpireError | None]) -> None:
        for write, error in zip(writes, results, strict=True):
            if error is None or isinstance(error, NotFound):
                self._mirror.removed(write.entry.id)
                write.succeed(error is None)
            else:
                write.fail(error)


def _as_stored(answer: Entry, sent: Entry) -> Entry:
    """The entry as the server stores it, which answers a write with other orders than it keeps.

    SPIRE stores DNS names in the order sent (the first becomes the common name) but answers a
    create or update with them as its database happens to give them: sorted, on SQLite.
    """
    attributes, names = answer.attributes, sent.attributes.dns_names
    if sorted(attributes.dns_names) == sorted(names):
        attributes = replace(attributes, dns_names=names)
    # One key in memory instead of two equal ones, and the same of the attributes.
    key = sent.key if answer.key == sent.key else answer.key
    if attributes == sent.attributes:
        attributes = sent.attributes
    return replace(answer, key=key, attributes=attributes)


def _stopped() -> NotLeading:
    return NotLeading("the writer has stopped")
