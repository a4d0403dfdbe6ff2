"""Servers that take writes in appearance.

They read from the real ones and keep the rest to themselves, so that all that follows from a
write happens too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from api.codec import JSONObject, JSONValue, convert, to_json
from api.core import ObjectReference
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from controllers.ports import Kubernetes
from registrar.identity.bundle import Bundle
from registrar.identity.entry import ATTRIBUTE_NAMES, Entry
from registrar.identity.relationship import Relationship
from registrar.kube.errors import Undecodable
from registrar.spire.bundles import BundleClient
from registrar.spire.convert import to_proto
from registrar.spire.errors import AlreadyExists, InvalidArgument, NotFound
from registrar.spire.federation import FederationClient
from registrar.spire.mirror import EntryMirror

T = TypeVar("T", bound=KubeObject)

_ROOM = 1000


class SeemingKube:
    """A Kubernetes API to which nothing is written. ``reader`` is the real one."""

    def __init__(self, reader: Kubernetes) -> None:
        self._reader = reader
        self.statuses: dict[tuple[str, ObjectKey], JSONObject] = {}
        """The patch of each status that would be written, by resource and name."""

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Read an object."""
        return await self._reader.get(kind, key)

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:  # noqa: ARG002
        """Give the object back."""
        return obj

    async def merge_patch(
        self,
        kind: Kind[T],
        key: ObjectKey,
        patch: JSONObject,
        *,
        subresource: str = "",
    ) -> T:
        """The object as the patch would leave it. Raises Undecodable for a status.

        There are many of those, and nobody needs to have one read back.
        """
        if subresource:
            self.statuses[kind.resource, key] = patch
            raise Undecodable(f"{kind.resource} {key}: it was not written, only in appearance")
        stored = await self._reader.get(kind, key)
        return convert(merged(to_json(stored), patch), kind.type)

    async def delete(
        self,
        kind: Kind[T],
        key: ObjectKey,
        *,
        uid: str = "",
        resource_version: str = "",
    ) -> bool:
        """Say that it is gone."""
        del kind, key, uid, resource_version
        return True


def merged(document: JSONValue, patch: JSONValue) -> JSONValue:
    """A document after an RFC 7396 patch."""
    if not isinstance(patch, dict):
        return patch
    after = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = merged(after.get(name), value)
    return after


@dataclass(frozen=True, slots=True)
class Told:
    """What an Event would have told."""

    regarding: ObjectReference
    is_warning: bool
    reason: str
    message: str


class KeptEvents:
    """Keeps the Events that would be written."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def emit(
        self,
        regarding: ObjectReference,
        *,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the field's name
        reason: str,
        message: str,
    ) -> None:
        """Keep it."""
        self.told.append(Told(regarding, type == "Warning", reason, message))


class SeemingWriter:
    """Lets a mirror show what the SPIRE server would hold after each write.

    ``foreign`` has the entries of others by ID. What the protocol cannot express is refused, and
    so are a key and an ID that the server has already, as it would.
    """

    def __init__(self, mirror: EntryMirror, foreign: Mapping[str, Entry]) -> None:
        self._mirror = mirror
        self._foreign = foreign

    @property
    def dropped_fields(self) -> frozenset[str]:
        """None: which attributes an old server drops is only known once it was sent some."""
        return frozenset()

    @property
    def room(self) -> int:
        """Enough: nothing takes time here."""
        return _ROOM

    async def create(self, entry: Entry) -> Entry:
        """Have the mirror show a new entry."""
        _check(entry)
        holder = (
            self._mirror.adoptable(entry.key)
            or self._mirror.entry_of(entry.key)
            or self._mirror.own.get(entry.id)
            or self._foreign.get(entry.id)
        )
        if holder is not None:
            raise AlreadyExists("the server holds it already", existing=holder)
        self._mirror.wrote(entry)
        return entry

    async def update(self, entry: Entry, fields: frozenset[str]) -> Entry:
        """Have the mirror show the entry with those attributes changed."""
        _check(entry)
        seen = self._mirror.own.get(entry.id)
        if seen is None:
            raise NotFound(f"no entry {entry.id}")
        changed = {name: getattr(entry.attributes, name) for name in fields & _ATTRIBUTES}
        after = replace(
            seen,
            attributes=replace(seen.attributes, **changed),
            revision_number=seen.revision_number + 1,
            expires_at=entry.expires_at if "expires_at" in fields else seen.expires_at,
        )
        self._mirror.wrote(after)
        return after

    async def delete(self, entry_id: str) -> bool:
        """Have the mirror show no such entry any more."""
        was_there = entry_id in self._mirror.own
        self._mirror.removed(entry_id)
        return was_there


_ATTRIBUTES = frozenset(ATTRIBUTE_NAMES)


def _check(entry: Entry) -> None:
    try:
        to_proto(entry)
    except ValueError as error:
        raise InvalidArgument(f"SPIRE cannot be told of this entry: {error}") from error


class SeemingFederation:
    """Federation relationships: read once, then as the writes would leave them."""

    def __init__(self, reader: FederationClient, *, on_bundle: Callable[[Bundle], None]) -> None:
        self._reader = reader
        self._on_bundle = on_bundle
        self._after: dict[str, Relationship] | None = None
        self.before: dict[str, Relationship] = {}
        """What the server holds; empty until somebody asked."""

    @property
    def after(self) -> Mapping[str, Relationship]:
        """What it would hold."""
        return {} if self._after is None else self._after

    async def list(self) -> dict[str, Relationship]:
        """All relationships by trust domain."""
        return dict(await self._held())

    async def create(self, relationship: Relationship) -> None:
        """Have one more."""
        held = await self._held()
        if relationship.trust_domain in held:
            raise AlreadyExists("the server holds it already")
        self._take(held, relationship)

    async def update(self, relationship: Relationship) -> None:
        """Have another in its place."""
        held = await self._held()
        if relationship.trust_domain not in held:
            raise NotFound("no such relationship")
        self._take(held, relationship)

    async def delete(self, trust_domain: str) -> None:
        """Have it no more."""
        if (await self._held()).pop(trust_domain, None) is None:
            raise NotFound("no such relationship")

    async def refresh(self, trust_domain: str) -> None:
        """Nothing: the server would fetch the bundle."""

    def _take(self, held: dict[str, Relationship], relationship: Relationship) -> None:
        if relationship.bundle is not None:
            self._on_bundle(relationship.bundle)
        held[relationship.trust_domain] = replace(relationship, bundle=None)

    async def _held(self) -> dict[str, Relationship]:
        if self._after is None:
            self.before = await self._reader.list()
            self._after = dict(self.before)
        return self._after


class SeemingBundles:
    """Bundles of other trust domains: read from the server, but for those that were written."""

    def __init__(self, reader: BundleClient) -> None:
        self._reader = reader
        self._names: list[str] | None = None
        self.written: dict[str, Bundle | None] = {}
        """The bundles that would be stored; None for one that would be deleted."""

    def given(self, bundle: Bundle) -> None:
        """Have it."""
        self.written[bundle.trust_domain] = bundle

    async def federated_trust_domains(self) -> list[str]:
        """The trust domains whose bundle the server would hold."""
        if self._names is None:
            self._names = await self._reader.federated_trust_domains()
        kept = [name for name in self._names if name not in self.written]
        return [*kept, *(name for name, bundle in self.written.items() if bundle is not None)]

    async def federated(self, trust_domain: str) -> Bundle:
        """The bundle of one."""
        if trust_domain not in self.written:
            return await self._reader.federated(trust_domain)
        bundle = self.written[trust_domain]
        if bundle is None:
            raise NotFound("no such bundle")
        return bundle

    async def set_federated(self, bundle: Bundle) -> None:
        """Have it."""
        self.given(bundle)

    async def delete_federated(self, trust_domain: str) -> None:
        """Have it no more."""
        self.written[trust_domain] = None
