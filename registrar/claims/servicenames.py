"""DNS names of a Pod that are at the same time another service's: they belong to that one.

A Pod's short names may read as another service's longer form: ``vault.prod`` is the Pod with the
hostname ``vault`` behind the service ``prod``, and the service ``vault`` of the namespace
``prod``; in a namespace called ``svc`` so does ``vault.prod.svc``.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from api.meta import ObjectKey

Exists = Callable[[ObjectKey], bool]
"""Whether there is a service of that namespace and name."""


class Shared(NamedTuple):
    """A name, and the service whose name it is too, if there is such a service."""

    name: str
    service: ObjectKey


def shared_names(
    names: Iterable[str], *, namespace: str, services: Iterable[str], zone: str
) -> list[Shared]:
    """Those of a Pod's names that have the form of a service's which is not behind the Pod.

    ``services`` are those of its ``namespace`` that name the Pod. The forms are
    ``<service>.<namespace>``, with ``.svc``, and with ``.svc`` and the zone.
    """
    own = {ObjectKey(namespace, service) for service in services}
    found = []
    for name in names:
        stems = (name, *(name.removesuffix(end) for end in (f".svc.{zone}", ".svc")))
        for stem in dict.fromkeys(stems):
            service, dot, other = stem.partition(".")
            key = ObjectKey(other, service)
            if service and dot and other and "." not in other and key not in own:
                found.append(Shared(name, key))
    return found


class NameWatch:
    """Which Pods have, or would have, a name of which service: a new service wakes just those."""

    def __init__(self) -> None:
        self._services: dict[ObjectKey, frozenset[ObjectKey]] = {}
        self._pods: dict[ObjectKey, set[ObjectKey]] = {}

    def note(self, pod: ObjectKey, services: Iterable[ObjectKey]) -> None:
        """Remember the services of a Pod; none forgets it."""
        before, after = self._services.get(pod, frozenset()), frozenset(services)
        for gone in before - after:
            pods = self._pods[gone]
            pods.discard(pod)
            if not pods:
                del self._pods[gone]
        for new in after - before:
            self._pods.setdefault(new, set()).add(pod)
        if after:
            self._services[pod] = after
        else:
            self._services.pop(pod, None)

    def pods_of(self, service: ObjectKey) -> tuple[ObjectKey, ...]:
        """The Pods to look at when the service comes or goes."""
        return tuple(self._pods.get(service, ()))
