"""The services of a Pod, for the modes that ask for them; while they are read a Pod waits."""

from api.meta import ObjectKey
from controllers.ports import Services
from registrar.claims.dnsnames import ServiceAddress
from registrar.errors import Waiting


def addresses_of(services: Services | None, pod: ObjectKey) -> tuple[ServiceAddress, ...] | None:
    """A Pod's addresses in services, if anybody asks for them; None when they cannot be read.

    Raises Waiting while services are being read.
    """
    if services is None:
        return ()
    if not services.need():
        raise Waiting("ServicesUnknown", "services are being read")
    return None if services.problem() else services.addresses(pod)
