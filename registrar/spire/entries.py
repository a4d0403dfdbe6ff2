"""The client of the Entry API: pages, and batches with a result for each item."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import grpc

from api.proto import entry_pb2, entry_pb2_grpc, types_pb2
from registrar.ending import Ending
from registrar.identity.entry import Entry
from registrar.identity.selectors import Selector
from registrar.spire.calls import (
    TIMEOUT_SECONDS,
    Caller,
    CallObserver,
    Channels,
    MayWrite,
    Pages,
    Unobserved,
    open_gate,
    readable,
)
from registrar.spire.convert import attribute_mask, from_proto, id_to_proto, to_proto
from registrar.spire.errors import AlreadyExists, Internal, InvalidArgument, SpireError, error_of

if TYPE_CHECKING:
    from api.proto.entry_pb2_grpc import EntryAsyncStub

PAGE_SIZE = 500
"""Entries in a page: real servers fail near 10,000, at 4 MiB."""

ItemResult: TypeAlias = Entry | SpireError
"""What became of one item: the entry as the server holds it, or why not."""

T = TypeVar("T")
R = TypeVar("R")


class Reader(Protocol):
    """Where entries are read; an EntryClient is one. Every method raises SpireError."""

    def pages(
        self, *, mask: types_pb2.EntryMask | None = None, spiffe_id: str = ""
    ) -> AsyncGenerator[list[types_pb2.Entry], None]:
        """All entries, or those of one SPIFFE ID, page by page."""
        ...

    async def get(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        ...


class EntryClient:
    """Calls the Entry API. Every method raises SpireError when the call as a whole fails.

    ``timeout_seconds`` is the deadline of each call. A message that is too
    large for the server or for us is split by the client itself.
    """

    def __init__(
        self,
        channels: Channels,
        *,
        observer: CallObserver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        gate: MayWrite = open_gate,
        ending: Ending | None = None,
    ) -> None:
        self._caller = Caller(
            channels,
            observer=observer or Unobserved(),
            timeout_seconds=timeout_seconds,
            gate=gate,
            ending=ending,
        )

    async def pages(
        self,
        *,
        mask: types_pb2.EntryMask | None = None,
        page_size: int = PAGE_SIZE,
        spiffe_id: str = "",
        parent_id: str = "",
        selected_by: Iterable[Selector] = (),
    ) -> AsyncGenerator[list[types_pb2.Entry], None]:
        """All entries, or those of one SPIFFE ID or parent, page by page, the oldest first.

        With ``selected_by`` only those none of whose selectors is another.

        Without a mask with all fields. The page size is halved whenever a
        page is too large for a message.
        """
        pages = Pages()
        wanted = _filter(spiffe_id, parent_id, selected_by)
        while True:
            request = entry_pb2.ListEntriesRequest(
                filter=wanted, output_mask=mask, page_size=page_size, page_token=pages.token
            )
            try:
                async with self._caller.call("list") as channel:
                    response = readable(
                        await _stub(channel).ListEntries(
                            request, timeout=self._caller.timeout_seconds
                        )
                    )
            except SpireError as error:
                if error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED or page_size == 1:
                    raise
                page_size //= 2
                continue
            if response.entries:
                yield list(response.entries)
            if not pages.turn(response.next_page_token):
                return

    async def get(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        request = entry_pb2.GetEntryRequest(id=entry_id)
        async with self._caller.call("get") as channel:
            found = readable(
                await _stub(channel).GetEntry(request, timeout=self._caller.timeout_seconds)
            )
        return from_proto(found)

    async def create(self, entries: Sequence[Entry]) -> list[ItemResult]:
        """Create entries; a result for each, in order.

        Where an entry is in the way the result is AlreadyExists with that
        entry, also when only its ID is.
        """

        async def send(part: Sequence[types_pb2.Entry]) -> list[ItemResult]:
            request = entry_pb2.BatchCreateEntryRequest(entries=part)
            response = await self._caller.write(
                "create",
                lambda channel: _stub(channel).BatchCreateEntry(
                    request, timeout=self._caller.timeout_seconds
                ),
            )
            self._check_length(len(part), len(response.results))
            return [_item(result.status, result.entry) for result in response.results]

        results = await _convertible(entries, send)
        for place, (entry, result) in enumerate(zip(entries, results, strict=True)):
            if isinstance(result, AlreadyExists) and result.existing is None and entry.id:
                results[place] = await self._with_existing(entry.id, result)
        return results

    async def update(self, entries: Sequence[Entry], fields: frozenset[str]) -> list[ItemResult]:
        """Change those attributes of entries, by ID; a result for each, in order."""
        mask = attribute_mask(fields)

        async def send(part: Sequence[types_pb2.Entry]) -> list[ItemResult]:
            request = entry_pb2.BatchUpdateEntryRequest(entries=part, input_mask=mask)
            response = await self._caller.write(
                "update",
                lambda channel: _stub(channel).BatchUpdateEntry(
                    request, timeout=self._caller.timeout_seconds
                ),
            )
            self._check_length(len(part), len(response.results))
            return [_item(result.status, result.entry) for result in response.results]

        return await _convertible(entries, send)

    async def delete(self, ids: Sequence[str]) -> list[SpireError | None]:
        """Delete entries; for each None, or why not (NotFound when it was not there)."""

        async def send(part: Sequence[str]) -> list[SpireError | None]:
            request = entry_pb2.BatchDeleteEntryRequest(ids=part)
            response = await self._caller.write(
                "delete",
                lambda channel: _stub(channel).BatchDeleteEntry(
                    request, timeout=self._caller.timeout_seconds
                ),
            )
            self._check_length(len(part), len(response.results))
            return [
                error_of(result.status.code, result.status.message) if result.status.code else None
                for result in response.results
            ]

        return await _split(ids, send)

    async def _with_existing(self, entry_id: str, error: AlreadyExists) -> AlreadyExists:
        """The error with the entry that has the ID; without it when there is none any more."""
        try:
            existing = await self.get(entry_id)
        except SpireError:
            return error
        return AlreadyExists(error.message, code=error.code, existing=existing)

    def _check_length(self, sent: int, received: int) -> None:
        if sent != received:
            raise Internal(f"SPIRE gave {received} results for {sent} entries")


def _item(status: types_pb2.Status, message: types_pb2.Entry) -> ItemResult:
    if not status.code:
        return from_proto(message)
    error = error_of(status.code, status.message)
    if isinstance(error, AlreadyExists) and message.id:
        error.existing = from_proto(message)
    return error


async def _convertible(
    entries: Sequence[Entry],
    send: Callable[[Sequence[types_pb2.Entry]], Awaitable[list[ItemResult]]],
) -> list[ItemResult]:
    """Send the entries that the protocol can express; the others fail each for itself."""
    messages: list[types_pb2.Entry] = []
    results: list[ItemResult | None] = []
    for entry in entries:
        try:
            messages.append(to_proto(entry))
            results.append(None)
        except ValueError as error:
            results.append(InvalidArgument(f"SPIRE cannot be told of this entry: {error}"))
    sent = iter(await _split(messages, send) if messages else ())
    return [next(sent) if result is None else result for result in results]


async def _split(items: Sequence[T], send: Callable[[Sequence[T]], Awaitable[list[R]]]) -> list[R]:
    """Send all at once, or in halves of halves when the message is too large."""
    try:
        return await send(items)
    except SpireError as error:
        if error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED or len(items) < 2:
            raise
    middle = len(items) // 2
    return [*await _split(items[:middle], send), *await _split(items[middle:], send)]


def _filter(
    spiffe_id: str, parent_id: str, selected_by: Iterable[Selector]
) -> entry_pb2.ListEntriesRequest.Filter | None:
    """Which entries to list; None for all."""
    selectors = [types_pb2.Selector(type=one.type, value=one.value) for one in selected_by]
    if not spiffe_id and not parent_id and not selectors:
        return None
    wanted = entry_pb2.ListEntriesRequest.Filter()
    if spiffe_id:
        wanted.by_spiffe_id.CopyFrom(id_to_proto(spiffe_id))
    if parent_id:
        wanted.by_parent_id.CopyFrom(id_to_proto(parent_id))
    if selectors:
        subset = types_pb2.SelectorMatch.MATCH_SUBSET
        wanted.by_selectors.CopyFrom(types_pb2.SelectorMatch(selectors=selectors, match=subset))
    return wanted


def _stub(channel: grpc.aio.Channel) -> "EntryAsyncStub":
    return entry_pb2_grpc.EntryStub(channel)
