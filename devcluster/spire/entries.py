"""The Entry API over the store."""

from collections import Counter
from collections.abc import AsyncIterator

import grpc
from google.protobuf.message import Message

from api.proto import entry_pb2, entry_pb2_grpc, types_pb2
from devcluster.spire import validation
from devcluster.spire.faults import Faults
from devcluster.spire.filters import Filter, Passes, entry_filter
from devcluster.spire.masks import ENTRY_FIELDS, fields_of, masked
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort, sent
from devcluster.spire.state import EntryState

_KEPT_BY_SERVER = ("revision_number", "created_at")
_ALL = ENTRY_FIELDS


class EntryService(entry_pb2_grpc.EntryServicer):
    """Serves the Entry API. ``dropped_fields`` are those that this server does not know.

    What agents alone may call is refused before it comes here.
    """

    def __init__(
        self,
        state: EntryState,
        faults: Faults,
        writes: Counter[str],
        dropped_fields: frozenset[str],
    ) -> None:
        self._state = state
        self._faults = faults
        self._writes = writes
        self._dropped = dropped_fields

    async def CountEntries(
        self, request: entry_pb2.CountEntriesRequest, context: ServicerContext
    ) -> entry_pb2.CountEntriesResponse:
        """Count the entries that pass the filter."""
        passes = await self._filter(request.filter, context)
        count = sum(1 for entry in self._state.entries() if passes(entry))
        return entry_pb2.CountEntriesResponse(count=count)

    async def ListEntries(
        self, request: entry_pb2.ListEntriesRequest, context: ServicerContext
    ) -> entry_pb2.ListEntriesResponse:
        """One page of the entries that pass the filter, or all of them in one message.

        The last page with entries has a token as well; the page after it is
        empty and has none.
        """
        passes = await self._filter(request.filter, context)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = entry_pb2.ListEntriesResponse()
        if request.page_size <= 0:
            response.entries.extend(
                masked(entry, shown, _ALL) for entry in self._state.entries() if passes(entry)
            )
            return response
        token = request.page_token
        if token and not token.isdecimal():
            message = (
                "failed to list entries: datastore-sql: rpc error: code = InvalidArgument "
                f"desc = could not parse token '{token}'"
            )
            await abort(context, Refusal(message, grpc.StatusCode.INTERNAL))
        for serial, entry in self._state.page(int(token or 0)):
            if passes(entry):
                response.entries.append(masked(entry, shown, _ALL))
                response.next_page_token = str(serial)
                if len(response.entries) == request.page_size:
                    break
        return response

    async def GetEntry(
        self, request: entry_pb2.GetEntryRequest, context: ServicerContext
    ) -> types_pb2.Entry:
        """One entry by its ID."""
        if not request.id:
            await abort(context, Refusal("missing ID"))
        entry = self._state.get(request.id)
        if entry is None:
            return await abort(context, Refusal("entry not found", grpc.StatusCode.NOT_FOUND))
        return masked(
            entry, fields_of(sent(request, "output_mask", request.output_mask), _ALL), _ALL
        )

    async def BatchCreateEntry(
        self, request: entry_pb2.BatchCreateEntryRequest, context: ServicerContext
    ) -> entry_pb2.BatchCreateEntryResponse:
        """Create entries, each with a result of its own."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = entry_pb2.BatchCreateEntryResponse()
        for entry in request.entries:
            status, stored = self._create(entry)
            result = response.results.add(status=status)
            if stored is not None:
                result.entry.CopyFrom(self._shown(stored, shown))
        return response

    async def BatchUpdateEntry(
        self, request: entry_pb2.BatchUpdateEntryRequest, context: ServicerContext
    ) -> entry_pb2.BatchUpdateEntryResponse:
        """Change the masked fields of entries, each with a result of its own."""
        written = fields_of(sent(request, "input_mask", request.input_mask), _ALL)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = entry_pb2.BatchUpdateEntryResponse()
        for entry in request.entries:
            status, stored = self._update(entry, written)
            result = response.results.add(status=status)
            if stored is not None:
                result.entry.CopyFrom(self._shown(stored, shown))
        return response

    async def BatchDeleteEntry(
        self, request: entry_pb2.BatchDeleteEntryRequest, context: ServicerContext
    ) -> entry_pb2.BatchDeleteEntryResponse:
        """Delete entries, each with a result of its own."""
        response = entry_pb2.BatchDeleteEntryResponse()
        for entry_id in request.ids:
            response.results.add(id=entry_id, status=self._delete(entry_id))
        return response

    async def GetAuthorizedEntries(
        self, request: entry_pb2.GetAuthorizedEntriesRequest, context: ServicerContext
    ) -> entry_pb2.GetAuthorizedEntriesResponse:
        """For agents, and there are none here."""
        raise NotImplementedError

    def SyncAuthorizedEntries(
        self,
        request_iterator: AsyncIterator[entry_pb2.SyncAuthorizedEntriesRequest],
        context: ServicerContext,
    ) -> AsyncIterator[entry_pb2.SyncAuthorizedEntriesResponse]:
        """For agents, and there are none here."""
        raise NotImplementedError

    def _create(self, given: types_pb2.Entry) -> tuple[types_pb2.Status, types_pb2.Entry | None]:
        entry = types_pb2.Entry()
        entry.CopyFrom(given)
        try:
            validation.entry(entry, _ALL, self._state.trust_domain)
        except Refusal as refusal:
            return validation.refused(refusal, "failed to convert entry"), None
        self._name_bare(entry)
        try:
            self._faults.before_entry(entry)
            validation.entry_id(entry.id)
            validation.storable(entry)
        except Refusal as refusal:
            return validation.refused(refusal, "failed to create entry"), None
        similar = self._state.similar(entry)
        if similar is not None:
            code = grpc.StatusCode.ALREADY_EXISTS
            return validation.status(code, "similar entry already exists"), similar
        try:
            self._must_be_free(entry.id)
            self._federate(entry)
            validation.without_duplicates(entry)
        except Refusal as refusal:
            return validation.refused(refusal, "failed to create entry"), None
        self._forget_unknown(entry)
        self._writes["created"] += 1
        return validation.ok(), in_order_of_write(self._state.put(entry))

    def _update(
        self, given: types_pb2.Entry, fields: frozenset[str]
    ) -> tuple[types_pb2.Status, types_pb2.Entry | None]:
        entry = types_pb2.Entry()
        entry.CopyFrom(given)
        try:
            validation.entry(entry, fields, self._state.trust_domain)
        except Refusal as refusal:
            return validation.refused(refusal, "failed to convert entry"), None
        self._name_bare(entry)
        try:
            self._faults.before_entry(entry)
            stored = self._state.get(entry.id)
            if stored is None:
                code = grpc.StatusCode.NOT_FOUND
                return validation.status(code, "failed to update entry"), None
            # The server sets these itself: put() sees to them.
            written = fields.difference(_KEPT_BY_SERVER)
            merged = masked(stored, _ALL - written, _ALL)
            merged.MergeFrom(masked(entry, written, _ALL))
            validation.storable(merged)
            if "federates_with" in fields:
                self._federate(merged)
            validation.without_duplicates(merged)
        except Refusal as refusal:
            return validation.refused(refusal, "failed to update entry"), None
        self._forget_unknown(merged)
        self._writes["updated"] += 1
        return validation.ok(), in_order_of_write(self._state.put(merged))

    def _delete(self, entry_id: str) -> types_pb2.Status:
        if not entry_id:
            return validation.status(grpc.StatusCode.INVALID_ARGUMENT, "missing entry ID")
        try:
            self._faults.before_entry(types_pb2.Entry(id=entry_id))
        except Refusal as refusal:
            return validation.refused(refusal, "failed to delete entry")
        if not self._state.delete(entry_id):
            return validation.status(grpc.StatusCode.NOT_FOUND, "entry not found")
        self._writes["deleted"] += 1
        return validation.ok()

    def _must_be_free(self, entry_id: str) -> None:
        if entry_id and self._state.get(entry_id) is not None:
            raise validation.not_unique("registered_entries.entry_id")

    def _name_bare(self, entry: types_pb2.Entry) -> None:
        """Write trust domains without a scheme, with which they may have been sent."""
        for spiffe_id in (entry.spiffe_id, entry.parent_id):
            if spiffe_id.trust_domain:
                spiffe_id.trust_domain = self._state.trust_domain

    def _federate(self, entry: types_pb2.Entry) -> None:
        """Store federated trust domains by name, sorted; each must have a bundle."""
        names = [validation.trust_domain(name) for name in entry.federates_with]
        for name in names:
            if not self._state.knows_bundle(name):
                raise Refusal(
                    f'unable to find federated bundle "spiffe://{name}"',
                    grpc.StatusCode.INTERNAL,
                )
        del entry.federates_with[:]
        entry.federates_with.extend(sorted(set(names)))

    def _forget_unknown(self, entry: types_pb2.Entry) -> None:
        message: Message = entry
        for name in self._dropped:
            message.ClearField(name)

    def _shown(self, entry: types_pb2.Entry, shown: frozenset[str]) -> types_pb2.Entry:
        return entry if shown == _ALL else masked(entry, shown, _ALL)

    async def _filter(self, given: Filter, context: ServicerContext) -> Passes:
        try:
            return entry_filter(given, self._state.trust_domain)
        except Refusal as refusal:
            return await abort(context, refusal)


def in_order_of_write(stored: types_pb2.Entry) -> types_pb2.Entry:
    """The entry as the answer to a write has it.

    That is read back through the database's indexes, which are sorted, and what reads show is in
    the order that was sent.
    """
    answer = types_pb2.Entry()
    answer.CopyFrom(stored)
    answer.dns_names[:] = sorted(stored.dns_names)
    del answer.selectors[:]
    answer.selectors.extend(sorted(stored.selectors, key=lambda s: (s.type, s.value)))
    return answer
