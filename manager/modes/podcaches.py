"""The caches that Pods are rendered from: Pods packed, services and owners read when needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from api.core import Endpoints, EndpointSlice, Owned
from api.kinds import ENDPOINT_SLICE, ENDPOINTS, JOB, REPLICA_SET
from api.meta import KubeObject, ObjectKey, OwnerReference, Wire
from api.whole import WHOLE_NODE, WHOLE_POD, WholeNode, WholePod
from manager.stores import Cache, Caches
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.rendering import Owner
from registrar.kube.packing import Packer
from registrar.kube.store import Change, Store

T = TypeVar("T", bound=KubeObject)

_POD_INDEX = "pod"
_SERVICE_NAME = "kubernetes.io/service-name"


class _Bound(Wire, frozen=True, kw_only=True):
    """What of a Pod's specification is needed unpacked."""

    node_name: str = ""


class Packing:
    """Makes of a Pod or Node what is kept of it: the specification in a few hundred bytes."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._bound = msgspec.json.Decoder(_Bound)

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
    """The Pods of the whole cluster, or of the namespaces that are read: one cache for each."""

    def __init__(self, packing: Packing, namespaces: Sequence[str]) -> None:
        self.caches: list[Cache[WholePod]] = [
            Cache(WHOLE_POD, Store(), namespace=namespace, transform=packing.pod)
            for namespace in namespaces or ("",)
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
        return self._by_namespace.get("") or self._by_namespace.get(key.namespace)


def node_cache(packing: Packing) -> Cache[WholeNode]:
    """The cache of Nodes."""
    return Cache(WHOLE_NODE, Store(), transform=packing.node)


class ServiceCaches:
    """Which services name a Pod, ready or not: from EndpointSlices, else from Endpoints.

    Read from the moment that some template asks. The original's role allows
    Endpoints alone, and old servers have nothing else.
    """

    def __init__(self, caches: Caches, namespaces: Sequence[str]) -> None:
        self._caches = caches
        self.slices: list[Cache[EndpointSlice]] = [
            Cache(
                ENDPOINT_SLICE,
                Store({_POD_INDEX: pods_of_slice}),
                namespace=n,
                optional=True,
                may_be_forbidden=True,
            )
            for n in namespaces or ("",)
        ]
        self.endpoints: list[Cache[Endpoints]] = [
            Cache(
                ENDPOINTS,
                Store({_POD_INDEX: pods_of_endpoints}),
                namespace=n,
                optional=True,
                may_be_forbidden=True,
            )
            for n in namespaces or ("",)
        ]

    def need(self) -> bool:
        """Begin to read them; tells whether they are read, or cannot be."""
        for cache in self.slices:
            self._caches.add(cache)
        known = True
        for cache, fallback in zip(self.slices, self.endpoints, strict=True):
            if cache.is_available:
                continue
            if cache.is_unavailable:
                self._caches.add(fallback)
                known = known and (fallback.is_available or fallback.is_unavailable)
            else:
                known = False
        return known

    def listen(self, wake: Callable[[ObjectKey], None]) -> None:
        """Wake the Pods whose addresses in services change."""

        def slice_changed(change: Change[EndpointSlice]) -> None:
            for pod in touched_by_slice(change):
                wake(pod)

        def endpoints_changed(change: Change[Endpoints]) -> None:
            for pod in touched_by_endpoints(change):
                wake(pod)

        for slices in self.slices:
            slices.listener = slice_changed
        for endpoints in self.endpoints:
            endpoints.listener = endpoints_changed

    async def settled(self) -> None:
        """Begin to read them, and wait until they are read or known not to be readable."""
        self.need()
        for cache in self.slices:
            await cache.settled()
        if not self.need():
            for fallback in self.endpoints:
                if fallback.reflector is not None:
                    await fallback.settled()

    def problem(self) -> str:
        """Why they cannot be read, and the remedy; empty when they can."""
        pairs = zip(self.slices, self.endpoints, strict=True)
        if any(cache.is_unavailable and fallback.is_unavailable for cache, fallback in pairs):
            return (
                "neither EndpointSlices nor Endpoints can be read: give the registrar's role get, "
                "list and watch on them"
            )
        return ""

    def naming(self, pod: ObjectKey) -> tuple[str, ...]:
        """The services that name the Pod, sorted."""
        return tuple(sorted({address.service for address in self._addresses(pod)}))

    def addresses(self, pod: ObjectKey) -> tuple[ServiceAddress, ...]:
        """The Pod's addresses in services."""
        return tuple(self._addresses(pod))

    def _addresses(self, pod: ObjectKey) -> Iterator[ServiceAddress]:
        for cache, fallback in zip(self.slices, self.endpoints, strict=True):
            if cache.is_available:
                for slice_ in _indexed(cache.store, pod):
                    yield from addresses_in_slice(slice_, pod)
            else:
                for endpoints in _indexed(fallback.store, pod):
                    yield from addresses_in_endpoints(endpoints, pod)


def _indexed(store: Store[T], pod: ObjectKey) -> Iterator[T]:
    """The objects of a store that name the Pod."""
    for key in store.by_index(_POD_INDEX, str(pod)):
        found = store.get(key)
        if found is not None:
            yield found


def addresses_in_slice(obj: EndpointSlice, pod: ObjectKey) -> Iterator[ServiceAddress]:
    """The Pod's addresses in an EndpointSlice; none in one that is of no service."""
    service = obj.metadata.labels.get(_SERVICE_NAME, "")
    for endpoint in obj.endpoints or () if service else ():
        target = endpoint.target_ref
        if target is not None and target.kind == "Pod" and target.name == pod.name:
            for ip in endpoint.addresses or ("",):
                # What does not say that it is not ready is (EndpointConditions, Kubernetes API).
                is_ready = endpoint.conditions.ready is not False
                yield ServiceAddress(service, ip, endpoint.hostname, is_ready)


def addresses_in_endpoints(obj: Endpoints, pod: ObjectKey) -> Iterator[ServiceAddress]:
    """The Pod's addresses in an Endpoints object, which has its service's name."""
    for subset in obj.subsets or ():
        for is_ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            for address in addresses or ():
                target = address.target_ref
                if target is not None and target.kind == "Pod" and target.name == pod.name:
                    yield ServiceAddress(obj.metadata.name, address.ip, address.hostname, is_ready)


def pods_of_slice(obj: EndpointSlice) -> Iterable[str]:
    """The Pods that it names, as ``namespace/name``."""
    for endpoint in obj.endpoints or ():
        target = endpoint.target_ref
        if target is not None and target.kind == "Pod":
            yield f"{obj.metadata.namespace}/{target.name}"


def pods_of_endpoints(obj: Endpoints) -> Iterable[str]:
    """The Pods that it names, as ``namespace/name``."""
    for subset in obj.subsets or ():
        for address in (*(subset.addresses or ()), *(subset.not_ready_addresses or ())):
            target = address.target_ref
            if target is not None and target.kind == "Pod":
                yield f"{obj.metadata.namespace}/{target.name}"


def touched_by_slice(change: Change[EndpointSlice]) -> set[ObjectKey]:
    """The Pods whose addresses in the service differ between the two versions."""
    return _differing(*map(_by_pod_in_slice, (change.old, change.new)))


def touched_by_endpoints(change: Change[Endpoints]) -> set[ObjectKey]:
    """The Pods whose addresses in the service differ between the two versions."""
    return _differing(*map(_by_pod_in_endpoints, (change.old, change.new)))


_Addresses = dict[ObjectKey, set[ServiceAddress]]


def _by_pod_in_slice(obj: EndpointSlice | None) -> _Addresses:
    if obj is None:
        return {}
    pods = {_key(name) for name in pods_of_slice(obj)}
    return {pod: set(addresses_in_slice(obj, pod)) for pod in pods}


def _by_pod_in_endpoints(obj: Endpoints | None) -> _Addresses:
    if obj is None:
        return {}
    pods = {_key(name) for name in pods_of_endpoints(obj)}
    return {pod: set(addresses_in_endpoints(obj, pod)) for pod in pods}


def _differing(old: _Addresses, new: _Addresses) -> set[ObjectKey]:
    return {pod for pod in old.keys() | new.keys() if old.get(pod) != new.get(pod)}


def _key(name: str) -> ObjectKey:
    namespace, _, pod = name.partition("/")
    return ObjectKey(namespace, pod)


class OwnerCaches:
    """Who is at the end of a Pod's chain of controllers: through ReplicaSets and Jobs.

    Only their metadata is read, from the moment that some template asks.
    """

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self.links: dict[str, Cache[Owned]] = {
            kind.kind: Cache(
                kind, Store(), metadata_only=True, optional=True, may_be_forbidden=True
            )
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
            "registrar's role get, list and watch on them"
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
