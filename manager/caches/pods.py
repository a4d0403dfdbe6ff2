"""The caches that Pods are rendered from: Pods packed, owners read when needed."""

from collections.abc import Iterable, Sequence

import msgspec

from api.codec import Decoder
from api.core import Owned
from api.kinds import JOB, REPLICA_SET
from api.meta import ObjectKey, OwnerReference, Wire
from api.whole import WHOLE_NODE, WHOLE_POD, WholeNode, WholePod
from manager.caches.cache import Cache, Caches, Unreadable
from registrar.claims.rendering import Owner
from registrar.kube.packing import Packer
from registrar.kube.store import Store
from registrar.settings.model import CachedNamespace

EVERYWHERE = CachedNamespace("")
"""All namespaces, without selectors."""


class _Bound(Wire, frozen=True, kw_only=True):
    """What of a Pod's specification is needed unpacked."""

    node_name: str = ""


class Packing:
    """Makes of a Pod or Node what is kept of it: the specification in a few hundred bytes."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._bound = Decoder(_Bound)

    def pod(self, pod: WholePod) -> WholePod:
        """The Pod, packed."""
        spec = bytes(pod.spec)
        return msgspec.structs.replace(
            pod,
            spec=msgspec.Raw(self._packer.pack(spec)),
            node_name=self._bound.decode(spec).node_name,
        )

    def node(self, node: WholeNode) -> WholeNode:
        """The Node, packed."""
        return msgspec.structs.replace(node, spec=msgspec.Raw(self._packer.pack(bytes(node.spec))))

    def unpacked(self, packed: bytes) -> bytes:
        """The JSON of a specification; an object without one has none to unpack."""
        return packed if packed == b"{}" else self._packer.unpack(packed)


class PodCaches:
    """The Pods of the whole cluster, or of the namespaces that are read: one cache for each.

    A Pod that does not fit the selectors of its namespace is one that is not there.
    """

    def __init__(self, packing: Packing, namespaces: Sequence[CachedNamespace]) -> None:
        self.caches: list[Cache[WholePod]] = [
            Cache(
                WHOLE_POD,
                Store(),
                namespace=namespace.name,
                label_selector=namespace.label_selector,
                field_selector=namespace.field_selector,
                transform=packing.pod,
            )
            for namespace in namespaces or (EVERYWHERE,)
        ]
        self._by_namespace = {cache.namespace: cache for cache in self.caches}

    def get(self, key: ObjectKey) -> WholePod | None:
        """The Pod, or None."""
        cache = self._cache_of(key)
        return None if cache is None else cache.store.get(key)

    def broken_uid(self, key: ObjectKey) -> str:
        """The uid of a Pod that exists and does not decode; empty for any other."""
        cache = self._cache_of(key)
        broken = None if cache is None else cache.store.broken.get(key)
        return "" if broken is None else broken.meta.uid

    def keys(self) -> Iterable[ObjectKey]:
        """All Pods, also those that do not decode; copy it before waiting."""
        for cache in self.caches:
            yield from cache.store.keys()
            yield from (key for key in cache.store.broken if key not in cache.store)

    def _cache_of(self, key: ObjectKey) -> Cache[WholePod] | None:
        return self._by_namespace.get(key.namespace) or self._by_namespace.get("")


def node_cache(packing: Packing) -> Cache[WholeNode]:
    """The cache of Nodes."""
    return Cache(WHOLE_NODE, Store(), transform=packing.node)


class OwnerCaches:
    """Who is at the end of a Pod's chain of controllers: through ReplicaSets and Jobs.

    Only their metadata is read, from the moment that some template asks.
    """

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self.links: dict[str, Cache[Owned]] = {
            kind.kind: Cache(kind, Store(), metadata_only=True, unreadable=Unreadable.EMPTY)
            for kind in (REPLICA_SET, JOB)
        }

    def need(self) -> bool:
        """Begin to read them; tells whether they are read, or cannot be."""
        for cache in self.links.values():
            self._caches.add(cache)
        return all(cache.is_available or cache.is_unavailable for cache in self.links.values())

    def problem(self) -> str:
        """Why they cannot be read, and the remedy; empty when they can."""
        kinds = [cache.kind.resource for cache in self.links.values() if cache.is_unavailable]
        if not kinds:
            return ""
        return (
            f"the owner is asked for and {' and '.join(kinds)} cannot be read: give the "
            "registrar's role list and watch on them"
        )

    def of(self, pod: WholePod) -> Owner | None:
        """The owner, or None while a link is not known; a Pod without one owns itself."""
        owner = _controller(pod.metadata.owner_references)
        if owner is None:
            return Owner("Pod", pod.metadata.name)
        cache = self.links.get(owner.kind)
        if cache is None:
            return Owner(owner.kind, owner.name)
        link = cache.store.get(ObjectKey(pod.metadata.namespace, owner.name))
        if link is None or link.metadata.uid != owner.uid:
            return None
        above = _controller(link.metadata.owner_references)
        return Owner(owner.kind, owner.name) if above is None else Owner(above.kind, above.name)


def _controller(owners: Iterable[OwnerReference]) -> OwnerReference | None:
    return next((owner for owner in owners if owner.controller), None)
