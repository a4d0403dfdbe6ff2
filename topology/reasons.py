"""Why a Pod is not ready, in words that say what it waits for. Pure."""

from dataclasses import dataclass

from topology import labels
from topology.kinds import ContainerStatus, Pod

_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class Crash:
    """A container that ended and should not have."""

    pod: str
    container: str
    why: str


def why_not_ready(pod: Pod) -> str:
    """What a Pod waits for, or what is wrong with it; empty when it is ready."""
    if pod.is_ready or pod.is_done:
        return ""
    if pod.metadata.deletion_timestamp is not None:
        return "is ending"
    scheduled = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
    if scheduled is not None and scheduled.status == "False":
        return f"no node takes it: {scheduled.message}"
    for status in pod.status.init_container_statuses:
        terminated = status.state.terminated
        if terminated is None or terminated.exit_code:
            return _of_init(status)
    for status in pod.status.container_statuses:
        if not status.ready:
            return _of_container(pod, status)
    return _before_containers(pod)


def crashes(pods: list[Pod]) -> list[Crash]:
    """All containers that have ended with an error, or were started again and are not ready yet."""
    found = []
    for pod in pods:
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
            ended = status.state.terminated or status.last_state.terminated
            if status.ready:
                # Whatever happened once is over.
                continue
            if ended is not None and (ended.exit_code or status.restart_count):
                words = ended.message.strip() or ended.reason
                why = f"exit code {ended.exit_code}" + (f", {words}" if words else "")
                found.append(Crash(pod.metadata.name, status.name, why))
    return found


def _of_init(status: ContainerStatus) -> str:
    waiting = status.state.waiting
    if waiting is not None and waiting.reason not in _STARTING:
        return f"{status.name}: {waiting.reason}: {waiting.message}"
    if status.name == "bundle" and waiting is None:
        return "waits for its server's bundle"
    if status.name == "identity" and waiting is None:
        return "waits for its identity"
    return "is being started"


def _of_container(pod: Pod, status: ContainerStatus) -> str:
    waiting = status.state.waiting
    if waiting is not None:
        if waiting.reason in _STARTING:
            return _before_containers(pod)
        return f"{status.name}: {waiting.reason}: {waiting.message}"
    name = pod.metadata.labels.get(labels.NAME)
    upstream = pod.metadata.labels.get(labels.UPSTREAM, "")
    if upstream and name == labels.SPIRE_SERVER and status.name == labels.SPIRE_SERVER:
        return f"waits for its identity from the agent of {upstream}"
    if name == labels.REGISTRAR:
        return "waits for its identity and its server"
    if name == labels.SPIRE_AGENT:
        return "waits for its server"
    return f"{status.name} is not ready yet"


def _before_containers(pod: Pod) -> str:
    is_root = labels.UPSTREAM not in pod.metadata.labels
    if pod.metadata.labels.get(labels.NAME) == labels.SPIRE_SERVER and is_root:
        return "waits for its volumes: the upstream authority's Secret, its data"
    return "is being started"
