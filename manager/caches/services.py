"""Which services name a Pod, and by which addresses: EndpointSlices, else Endpoints."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from api.core import Endpoints, EndpointSlice
from api.kinds import ENDPOINT_SLICE, ENDPOINTS
from api.meta import KubeObject, ObjectKey
from manager.caches.cache import Cache, Caches, Unreadable
from manager.caches.pods import EVERYWHERE
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.serviceaddresses import (
    addresses_in_endpoints,
    addresses_in_slice,
    pods_in_endpoints,
    pods_in_slice,
    service_of,
)
from registrar.kube.store import Store
from registrar.settings.model import CachedNamespace

T = TypeVar("T", bound=KubeObject)


def _of_metadata(field_selector: str) -> str:
    """The parts of a field selector that every kind understands."""
    parts = re.split(r"(?<!\\),", field_selector)
    return ",".join(part for part in parts if part.startswith("metadata."))


_POD_INDEX = "pod"
_SERVICE_INDEX = "service"
_LOOK_SECONDS = 1.0


class ServiceCaches:
    """Which services name a Pod, ready or not: from EndpointSlices, else from Endpoints.

    Read from the moment that somebody asks. The original's role allows
    Endpoints alone, and old servers have nothing else. Of the selectors of
    fields only those on metadata hold: services have no other.
    """

    def __init__(self, caches: Caches, namespaces: Sequence[CachedNamespace]) -> None:
        self._caches = caches
        self._is_problem_told = False
        self.slices: list[Cache[EndpointSlice]] = [
            Cache(
                ENDPOINT_SLICE,
                Store({_POD_INDEX: _pods_of_slice, _SERVICE_INDEX: _services_of_slice}),
                namespace=n.name,
                label_selector=n.label_selector,
                field_selector=_of_metadata(n.field_selector),
                unreadable=Unreadable.EMPTY,
            )
            for n in namespaces or (EVERYWHERE,)
        ]
        self.endpoints: list[Cache[Endpoints]] = [
            Cache(
                ENDPOINTS,
                Store({_POD_INDEX: _pods_of_endpoints}),
                namespace=n.name,
                label_selector=n.label_selector,
                field_selector=_of_metadata(n.field_selector),
                unreadable=Unreadable.EMPTY,
            )
            for n in namespaces or (EVERYWHERE,)
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
        if not self._are_unreadable():
            return ""
        self._is_problem_told = True
        return (
            "neither EndpointSlices nor Endpoints can be read: give the registrar's role list "
            "and watch on them"
        )

    async def become_readable(self, then: Callable[[], None]) -> None:
        """Call back when they can be read after somebody was told that they cannot; for ever.

        What they hold wakes the Pods that it names, and no others.
        """
        while True:  # several caches, any of which will do, and they begin when somebody asks
            await asyncio.sleep(_LOOK_SECONDS)
            if self._is_problem_told and not self._are_unreadable():
                self._is_problem_told = False
                then()

    def _are_unreadable(self) -> bool:
        # What was read once is known, also when the right to it is taken away.
        pairs = zip(self.slices, self.endpoints, strict=True)
        unread = (pair for pair in pairs if not any(cache.is_available for cache in pair))
        return any(all(cache.is_unavailable for cache in pair) for pair in unread)

    def naming(self, pod: ObjectKey) -> tuple[str, ...]:
        """The services that name the Pod, sorted."""
        return tuple(sorted({address.service for address in self._addresses(pod)}))

    def addresses(self, pod: ObjectKey) -> tuple[ServiceAddress, ...]:
        """The Pod's addresses in services."""
        return tuple(self._addresses(pod))

    def exists(self, service: ObjectKey) -> bool:
        """Whether there is such a service, as far as its EndpointSlices or Endpoints tell."""
        return any(
            bool(cache.store.by_index(_SERVICE_INDEX, str(service)))
            if cache.is_available
            else fallback.store.get(service) is not None
            for cache, fallback in zip(self.slices, self.endpoints, strict=True)
        )

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


def _pods_of_slice(obj: EndpointSlice) -> Iterable[str]:
    return map(str, pods_in_slice(obj))


def _pods_of_endpoints(obj: Endpoints) -> Iterable[str]:
    return map(str, pods_in_endpoints(obj))


def _services_of_slice(obj: EndpointSlice) -> Iterable[str]:
    service = service_of(obj)
    return () if service is None else (str(service),)
