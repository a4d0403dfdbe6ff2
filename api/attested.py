"""A Pod with what a SPIRE agent makes selectors of, which is more than what decides its identity.

Only ``explain`` reads it, one Pod at a time.
"""

from msgspec import field

from .kinds import Kind
from .meta import KubeObject, Wire


class AttestedSpec(Wire, frozen=True, kw_only=True):
    """What of the specification becomes a selector."""

    service_account_name: str = ""
    node_name: str = ""


class ContainerStatus(Wire, frozen=True, kw_only=True):
    """A container that the node's kubelet knows."""

    name: str = ""
    image: str = ""
    image_id: str = field(name="imageID", default="")


class AttestedStatus(Wire, frozen=True, kw_only=True):
    """What of the status becomes a selector; no containers before the kubelet has begun."""

    phase: str = ""
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class AttestedPod(KubeObject, frozen=True, kw_only=True):
    """A Pod as an agent sees it."""

    spec: AttestedSpec = AttestedSpec()
    status: AttestedStatus = AttestedStatus()


ATTESTED_POD = Kind("", "v1", "Pod", "pods", namespaced=True, type=AttestedPod)
