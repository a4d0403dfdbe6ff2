"""Every name by which a cluster's DNS may know a Pod, in the reconcile mode's order.

After the Kubernetes DNS-based service discovery specification (sections 2.3 and
2.4) and what CoreDNS makes of it. Which kind of service it is does not matter:
names that are not served do no harm.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from registrar.claims.validation import is_dns_name


class ServiceAddress(NamedTuple):
    """One address of a Pod in a service of its namespace; ``hostname`` is often empty."""

    service: str
    ip: str
    hostname: str = ""
    is_ready: bool = True


def dashed(ip: str) -> str:
    """An address as a DNS label: dots of IPv4 and colons of IPv6 become dashes."""
    return ip.replace(".", "-").replace(":", "-")


def pod_dns_names(
    *, name: str, namespace: str, ip: str, addresses: Iterable[ServiceAddress], zone: str
) -> tuple[str, ...]:
    """The names of a Pod with the address ``ip``; none while it has no address.

    The Pod's own names come first, so that the certificate's common name is one of no
    other Pod; then those by services, sorted. Names that no certificate may have (an
    IPv6 address may begin or end with a colon) are left out: they must not cost the
    Pod its identity.
    """
    if not ip:
        return ()
    own = (f"{dashed(ip)}.{namespace}.pod.{zone}", f"{dashed(ip)}.{namespace}.pod")
    found: set[str] = set()
    for prefix in _prefixes(name, ip, addresses):
        found |= {
            prefix,
            f"{prefix}.{namespace}",
            f"{prefix}.{namespace}.svc",
            f"{prefix}.{namespace}.svc.{zone}",
        }
    return tuple(filter(is_dns_name, (*own, *sorted(found))))


def _prefixes(name: str, ip: str, addresses: Iterable[ServiceAddress]) -> Iterator[str]:
    """What stands before the namespace in names by services."""
    by_service: dict[str, list[ServiceAddress]] = {}
    for address in addresses:
        if _is_label(address.service):
            by_service.setdefault(address.service, []).append(address)
    for service, found in by_service.items():
        yield service
        # EndpointSlices have the addresses of both families, Endpoints those of one.
        same = [address for address in found if address.ip == ip]
        for address in same or found:
            if _is_label(address.hostname):
                yield f"{address.hostname}.{service}"
                continue
            yield f"{dashed(address.ip)}.{service}"
            if _is_label(name):
                yield f"{name}.{service}"


def _is_label(text: str) -> bool:
    return bool(text) and "." not in text
