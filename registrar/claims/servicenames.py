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
