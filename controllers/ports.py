"""What the reconcilers need of the world, as small protocols."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from api.codec import JSONObject
from api.core import ObjectReference
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from registrar.claims.bundlesource import Reading, Source
from registrar.claims.dnsnames import ServiceAddress
from registrar.identity.bundle import Bundle
from registrar.identity.entry import Entry, EntryKey
from registrar.identity.relationship import Relationship

T = TypeVar("T", bound=KubeObject)


class Kubernetes(Protocol):
    """Calls the Kubernetes API; ``registrar.kube.client.KubeClient`` is one."""

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Read an object that no store holds."""
        ...

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:
        """Create an object and return it as stored."""
        ...

    async def merge_patch(
        self, kind: Kind[T], key: ObjectKey, patch: JSONObject, *, subresource: str = ""
    ) -> T:
        """Patch an object and return it as stored."""
        ...

    async def delete(
        self, kind: Kind[T], key: ObjectKey, *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Delete an object; False where it is only marked, as those with finalizers are."""
        ...


class SpireWriter(Protocol):
    """Writes to the SPIRE server; ``registrar.spire.writer.EntryWriter`` is one."""

    @property
    def dropped_fields(self) -> frozenset[str]:
        """Attributes that the server is known to drop."""
        ...

    async def create(self, entry: Entry) -> Entry:
        """Create an entry and return it as the server holds it."""
        ...

    async def update(self, entry: Entry, fields: frozenset[str]) -> Entry:
        """Change those attributes and return the entry as the server holds it."""
        ...

    async def delete(self, entry_id: str) -> bool:
        """Delete an entry; False when there was none."""
        ...


class Mirror(Protocol):
    """What the SPIRE server holds; ``registrar.spire.mirror.EntryMirror`` is one."""

    @property
    def own(self) -> Mapping[str, Entry]:
        """Our entries by ID."""
        ...

    @property
    def privileged_ids(self) -> Mapping[str, frozenset[str]]:
        """SPIFFE IDs of all admin and downstream entries, ours or not, and the entries' IDs."""
        ...

    def entry_of(self, key: EntryKey) -> Entry | None:
        """Our entry with that key."""
        ...

    def entries_of(self, key: EntryKey) -> Sequence[Entry]:
        """All our entries with that key: more than one after a race of two servers."""
        ...

    async def others(self, spiffe_id: str) -> Sequence[Entry]:
        """The entries with that SPIFFE ID that are not ours, asked of the server."""
        ...

    @property
    def foreign_ids(self) -> Collection[str]:
        """The IDs of the entries that are not ours; copy it before waiting."""
        ...

    def adoptable(self, key: EntryKey) -> Entry | None:
        """What others made with that key, as far as it is known without asking the server."""
        ...

    def doubt(self, key: EntryKey) -> None:
        """Forget our entries with that key: the next plan asks the server."""
        ...

    def adopt(self, entry: Entry) -> None:
        """Take an entry that somebody else made among ours."""
        ...


class TrustDomains(Protocol):
    """Whose bundles the SPIRE server holds; ``registrar.spire.trustdomains`` has one."""

    @property
    def known(self) -> frozenset[str] | None:
        """The trust domains; None while that is not known."""
        ...

    async def refresh(self) -> None:
        """Look now."""
        ...


class Federation(Protocol):
    """Federation relationships; ``registrar.spire.federation.FederationClient`` is one."""

    async def list(self) -> dict[str, Relationship]:
        """All relationships by trust domain."""
        ...

    async def create(self, relationship: Relationship) -> None:
        """Create one."""
        ...

    async def update(self, relationship: Relationship) -> None:
        """Change one."""
        ...

    async def delete(self, trust_domain: str) -> None:
        """Delete one."""
        ...

    async def refresh(self, trust_domain: str) -> None:
        """Have the server fetch the bundle of one now."""
        ...


class Bundles(Protocol):
    """Bundles of other trust domains; ``registrar.spire.bundles.BundleClient`` is one."""

    async def federated(self, trust_domain: str) -> Bundle:
        """The bundle that the server holds."""
        ...

    async def set_federated(self, bundle: Bundle) -> None:
        """Store a bundle."""
        ...

    async def delete_federated(self, trust_domain: str) -> None:
        """Forget a bundle."""
        ...


class BundleSources(Protocol):
    """What ConfigMaps that objects name hold; ``manager.caches.bundlesources`` has it."""

    def read(self, source: Source, *, trust_domain: str) -> Reading | None:
        """What a source shows; None while that is not known yet."""
        ...


class Events(Protocol):
    """Reports Events; never blocks, never fails."""

    def emit(
        self,
        regarding: ObjectReference,
        *,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the field's name
        reason: str,
        message: str,
    ) -> None:
        """Report one Event on an object."""
        ...


class Services(Protocol):
    """Which services name a Pod."""

    def need(self) -> bool:
        """Begin to read them; tells whether they are read, or cannot be."""
        ...

    def problem(self) -> str:
        """Why they cannot be read, and the remedy; empty when they can."""
        ...

    def addresses(self, pod: ObjectKey) -> tuple[ServiceAddress, ...]:
        """The Pod's addresses in services."""
        ...

    def exists(self, service: ObjectKey) -> bool:
        """Whether there is such a service."""
        ...


def reference(kind: Kind[T], obj: T) -> ObjectReference:
    """A reference to a stored object."""
    return ObjectReference(
        api_version=kind.api_version,
        kind=kind.kind,
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        uid=obj.metadata.uid,
        resource_version=obj.metadata.resource_version,
    )
