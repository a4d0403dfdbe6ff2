"""The slices of Kubernetes' own kinds by which one sees how the Pods of a module are."""

from msgspec import field

from api.kinds import Kind
from api.meta import Condition, KubeObject, Wire


class Terminated(Wire, frozen=True, kw_only=True):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class Waiting(Wire, frozen=True, kw_only=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class ContainerState(Wire, frozen=True, kw_only=True):
    """At most one of them is there."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Wire, frozen=True, kw_only=True):
    """One container of a Pod."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(Wire, frozen=True, kw_only=True):
    """How a Pod is."""

    phase: str = ""
    pod_ip: str = field(name="podIP", default="")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(KubeObject, frozen=True, kw_only=True):
    """A Pod, as far as its health goes."""

    status: PodStatus = PodStatus()

    @property
    def is_done(self) -> bool:
        """Whether it has run to a good end, as those of Jobs do."""
        return self.status.phase == "Succeeded"

    @property
    def is_ready(self) -> bool:
        """Whether all of its containers are ready, and it is not going away."""
        if self.metadata.deletion_timestamp is not None:
            return False
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def restarts(self) -> int:
        """How often a container of it was started again."""
        statuses = (*self.status.container_statuses, *self.status.init_container_statuses)
        return sum(status.restart_count for status in statuses)


class WorkloadStatus(Wire, frozen=True, kw_only=True):
    """How many Pods a workload has; of each kind some fields are there."""

    replicas: int = 0
    ready_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    succeeded: int = 0


class WorkloadSpec(Wire, frozen=True, kw_only=True):
    """How many Pods a workload should have."""

    replicas: int | None = None


class Workload(KubeObject, frozen=True, kw_only=True):
    """A StatefulSet, Deployment or DaemonSet."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()

    @property
    def wanted(self) -> int:
        """How many Pods there should be; at least one, so that none yet is not enough."""
        if self.spec.replicas is not None:
            return self.spec.replicas
        return max(1, self.status.desired_number_scheduled)

    @property
    def ready(self) -> int:
        """How many of them are ready."""
        return max(self.status.ready_replicas, self.status.number_ready)


POD = Kind("", "v1", "Pod", "pods", namespaced=True, type=Pod)
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets", namespaced=True, type=Workload)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", namespaced=True, type=Workload)
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets", namespaced=True, type=Workload)
WORKLOADS = (STATEFUL_SET, DEPLOYMENT, DAEMON_SET)
