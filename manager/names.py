"""What the programs call themselves, and what a file calls what only a start can find wrong."""

from registrar.settings.model import CRDMode, Settings

USER_AGENT = "spire-registrar"
"""To the Kubernetes API, and as the source of the registrar's Events."""

HEALTH_KEY = "health.healthProbeBindAddress"
"""The key of the address of probes; only the controller manager's file has one."""


OWNERS_NAMESPACE = "kube-public"
"""Where the Leases lie that say who owns a prefix: a namespace of every cluster, which registrars
of all namespaces can share, and in which nobody else's Leases are."""


def metrics_key(settings: Settings) -> str:
    """The key of the address of metrics, in the words of the file that was read."""
    if settings.controller_manager is not None:
        return "metrics.bindAddress"
    is_crd = isinstance(settings.workload_registrar, CRDMode)
    return "metrics_bind_addr" if is_crd else "metrics_addr"


def status_page_key(settings: Settings) -> str:
    """The key of the address of the status page, in the words of the file that was read."""
    is_manager = settings.controller_manager is not None
    return "statusPage.bindAddress" if is_manager else "status_page_addr"


def lease_namespace_key(settings: Settings) -> str:
    """The key of the Lease's namespace, in the words of the file that was read."""
    is_manager = settings.controller_manager is not None
    return "leaderElection.resourceNamespace" if is_manager else "leader_election_namespace"
