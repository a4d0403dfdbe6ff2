"""What an API server sends of one kind, decoded; objects that do not decode are kept apart.

Reflectors read lists and watch events with it. One object that somebody broke must cost
neither the rest of a list nor the watch.
"""

import logging
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from api.codec import DecodeError, Decoder, decode
from api.kinds import Kind
from api.meta import KubeObject, ObjectMeta
from registrar.kube.client import ListMeta, read_page
from registrar.kube.errors import Garbled, Invalid, Status, error_for
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)

OBJECT_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED"})


class _List(msgspec.Struct, Generic[T]):
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[T] | None = None


class _Event(msgspec.Struct, Generic[T]):
    type: str
    object: T


class _RawEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """One event of a watch.

    ``object`` is None where it does not decode (``error`` says why) or is none, as of a
    bookmark. ``meta`` is None where not even the metadata could be read.
    """

    type: str
    meta: ObjectMeta | None
    object: T | None = None
    error: str = ""


class Received(Generic[T]):
    """Decodes lists and events of ``kind``."""

    def __init__(self, kind: Kind[T]) -> None:
        self._kind = kind
        # The concrete kind is only known here; the type checker sees its type variable.
        self._list_decoder = Decoder(_List[kind.type])  # type: ignore[name-defined]
        self._event_decoder = Decoder(_Event[kind.type])  # type: ignore[name-defined]
        self._decoder = Decoder(kind.type)

    def read_list(self, reply: bytes) -> tuple[list[T], list[tuple[ObjectMeta, str]], ListMeta]:
        """The objects of a page, those that do not decode apart. Raises Garbled."""
        try:
            listed = self._list_decoder.decode(reply)
        except DecodeError as error:
            try:
                page = read_page(reply)
            except Invalid:
                raise Garbled(f"broken list: {error}", 0, "Undecodable") from error
        else:
            return listed.items or [], [], listed.metadata
        good: list[T] = []
        bad: list[tuple[ObjectMeta, str]] = []
        for item in page.items:
            try:
                good.append(self._decoder.decode(item))
            except DecodeError as error:
                meta = self._metadata(item)
                if meta is not None:
                    bad.append((meta, str(error)))
        return good, bad, ListMeta(page.resource_version, page.continue_token)

    def read_event(self, line: bytes) -> Event[T]:
        """One line of a watch. Raises Garbled, and the error that the line tells of."""
        try:
            event = self._event_decoder.decode(line)
        except DecodeError:
            return self._raw_event(line)
        if event.type not in OBJECT_EVENTS:
            return self._raw_event(line)
        return Event(event.type, event.object.metadata, event.object)

    def _raw_event(self, line: bytes) -> Event[T]:
        """A bookmark, an error, or an object that does not decode."""
        try:
            event = decode(line, _RawEvent)
            if event.type == "ERROR":
                status = decode(bytes(event.object), Status)
                raise error_for(status.code or 500, status, call=f"watch {self._kind.resource}")
            meta = self._metadata(event.object)
        except DecodeError as error:
            raise Garbled(f"broken watch event: {error}", 0, "Undecodable") from error
        is_broken = event.type in OBJECT_EVENTS
        return Event(event.type, meta, error=self._why_broken(event.object) if is_broken else "")

    def _metadata(self, item: bytes | msgspec.Raw) -> ObjectMeta | None:
        """The metadata of an object that does not decode, None where even that is broken."""
        try:
            return decode(bytes(item), KubeObject).metadata
        except DecodeError as error:
            log.warning(
                "an object without readable metadata is ignored",
                extra=kv(kind=self._kind.resource, error=str(error)),
            )
            return None

    def _why_broken(self, item: msgspec.Raw) -> str:
        try:
            self._decoder.decode(item)
        except DecodeError as error:
            return str(error)
        return "unreadable"
