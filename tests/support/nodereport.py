"""What a person would look at when a test on the real node has failed; added to its report."""

from collections.abc import Iterator

import msgspec

from hack.node.cluster import Cluster
from hack.processes import ServerError

_LOG_LINES = 40


class _Reference(msgspec.Struct):
    name: str
    namespace: str = ""


class _ContainerStatus(msgspec.Struct, rename="camel"):
    name: str
    ready: bool = False
    restart_count: int = 0


class _Status(msgspec.Struct, rename="camel"):
    container_statuses: list[_ContainerStatus] = []
    init_container_statuses: list[_ContainerStatus] = []


class _Pod(msgspec.Struct):
    metadata: _Reference
    status: _Status


class _Pods(msgspec.Struct):
    items: list[_Pod]


def describe(cluster: Cluster) -> str:
    """Return all Pods, the Events, and what the containers that are not well have logged."""
    return "\n\n".join(_paragraphs(cluster))


def _paragraphs(cluster: Cluster) -> Iterator[str]:
    yield _ask(cluster, "get", "pods", "--all-namespaces", "--output=wide")
    # What does not end, and why not.
    state = "KIND:.kind,NAME:.metadata.name,DELETED:.metadata.deletionTimestamp"
    state += ",WHY:.status.conditions[*].message"
    yield _ask(cluster, "get", "namespaces,crds", f"--output=custom-columns={state}")
    yield _ask(cluster, "get", "events", "--all-namespaces", "--sort-by=.lastTimestamp")
    try:
        answer = cluster.run_kubectl("get", "pods", "--all-namespaces", "--output=json")
    except ServerError as error:
        yield str(error)
        return
    for pod in msgspec.json.decode(answer, type=_Pods).items:
        place = (pod.metadata.name, f"--namespace={pod.metadata.namespace}")
        # The first one that does not end well holds up those after it.
        containers = [*pod.status.init_container_statuses, *pod.status.container_statuses]
        for container in containers:
            about = (*place, f"--container={container.name}", f"--tail={_LOG_LINES}")
            if not container.ready:
                yield _ask(cluster, "logs", *about)
            if container.restart_count:
                yield _ask(cluster, "logs", *about, "--previous")


def _ask(cluster: Cluster, *arguments: str) -> str:
    try:
        answer = cluster.run_kubectl(*arguments, timeout_seconds=20)
    except ServerError as error:
        answer = str(error)
    return f"$ kubectl {' '.join(arguments)}\n{answer.rstrip()}"
