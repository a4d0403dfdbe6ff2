"""The addresses of Pods in services, as EndpointSlices and Endpoints tell them. No state."""

from collections.abc import Iterator

from api.core import Endpoints, EndpointSlice
from api.meta import ObjectKey
from registrar.claims.dnsnames import ServiceAddress

_SERVICE_NAME = "kubernetes.io/service-name"
"""The label of an EndpointSlice that names its service (EndpointSlice, Kubernetes API)."""


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


def pods_in_slice(obj: EndpointSlice | None) -> set[ObjectKey]:
    """The Pods that it names."""
    if obj is None:
        return set()
    targets = (endpoint.target_ref for endpoint in obj.endpoints or ())
    return {
        ObjectKey(obj.metadata.namespace, target.name)
        for target in targets
        if target is not None and target.kind == "Pod"
    }


def pods_in_endpoints(obj: Endpoints | None) -> set[ObjectKey]:
    """The Pods that it names."""
    if obj is None:
        return set()
    return {
        ObjectKey(obj.metadata.namespace, address.target_ref.name)
        for subset in obj.subsets or ()
        for address in (*(subset.addresses or ()), *(subset.not_ready_addresses or ()))
        if address.target_ref is not None and address.target_ref.kind == "Pod"
    }


def service_of(obj: EndpointSlice | None) -> ObjectKey | None:
    """The service of an EndpointSlice; None without a slice, or for one that is of no service."""
    name = "" if obj is None else obj.metadata.labels.get(_SERVICE_NAME, "")
    return ObjectKey(obj.metadata.namespace, name) if obj is not None and name else None


def pods_moved_in_slice(old: EndpointSlice | None, new: EndpointSlice | None) -> set[ObjectKey]:
    """The Pods whose addresses differ between two versions of an EndpointSlice."""
    return _differing(*map(_by_pod_in_slice, (old, new)))


def pods_moved_in_endpoints(old: Endpoints | None, new: Endpoints | None) -> set[ObjectKey]:
    """The Pods whose addresses differ between two versions of an Endpoints object."""
    return _differing(*map(_by_pod_in_endpoints, (old, new)))


_Addresses = dict[ObjectKey, set[ServiceAddress]]


def _by_pod_in_slice(obj: EndpointSlice | None) -> _Addresses:
    if obj is None:
        return {}
    return {pod: set(addresses_in_slice(obj, pod)) for pod in pods_in_slice(obj)}


def _by_pod_in_endpoints(obj: Endpoints | None) -> _Addresses:
    if obj is None:
        return {}
    return {pod: set(addresses_in_endpoints(obj, pod)) for pod in pods_in_endpoints(obj)}


def _differing(old: _Addresses, new: _Addresses) -> set[ObjectKey]:
    return {pod for pod in old.keys() | new.keys() if old.get(pod) != new.get(pod)}
