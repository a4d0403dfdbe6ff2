"""Whether all that we ship runs on the node without a stumble: probes, restarts, rights, logs."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hack.node.cluster import Cluster
from hack.node.sandbox import clean_environment
from tests.support import leaks

_COLUMNS = (
    '{.metadata.namespace}/{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}'
    ' [{.metadata.deletionTimestamp}]{"\\n"}'
)
_OURS = "spire-registrar:"
_BAD_LINES = re.compile(r"ERROR|CRITICAL|Traceback|[Ff]orbidden|\b403\b|\"level\":\"error\"")


class _Metadata(msgspec.Struct):
    name: str


class _Container(msgspec.Struct):
    name: str
    image: str


class _Spec(msgspec.Struct):
    containers: list[_Container]


class _ContainerStatus(msgspec.Struct, rename="camel"):
    name: str
    restart_count: int


class _Status(msgspec.Struct, rename="camel"):
    container_statuses: list[_ContainerStatus] = []


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec
    status: _Status


class _Pods(msgspec.Struct):
    items: list[_Pod]


class Watch:
    """What has gone wrong since it began."""

    def __init__(self, cluster: Cluster, readiness: Path) -> None:
        self._cluster = cluster
        self._readiness = readiness
        # Earlier ones are no matter: where a namespace is being deleted, they are usual.
        self._refused_before = _refusals(cluster)

    def troubles(self, namespace: str = "spire") -> list[str]:
        """Return what is wrong with what runs in a namespace, a line for each."""
        refused = sorted((_refusals(self._cluster) - self._refused_before).elements())
        return [
            *_lapses(self._readiness),
            *_restarts(self._cluster, namespace),
            *_bad_lines(self._cluster, namespace),
            *refused,
        ]


@contextmanager
def watched(cluster: Cluster) -> Iterator[Watch]:
    """Look at all Pods as long as this lasts."""
    command = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", "get", "pods"]
    command += ["--all-namespaces", "--watch", f"--output=jsonpath={_COLUMNS}"]
    with tempfile.NamedTemporaryFile() as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, env=clean_environment()
        )
        try:
            yield Watch(cluster, Path(file.name))
            assert process.poll() is None, "the watch of the Pods has ended"
        finally:
            process.terminate()
            process.wait()


def _lapses(readiness: Path) -> Iterator[str]:
    """Return the Pods that were ready and then were not, though nobody was deleting them."""
    ready: set[str] = set()
    for line in readiness.read_text(encoding="utf-8").splitlines():
        pod, status, deletion = line.rsplit(" ", 2)
        if status == "True":
            ready.add(pod)
        elif pod in ready and deletion == "[]":
            ready.discard(pod)
            yield f"{pod} was ready, and then was not"


def _restarts(cluster: Cluster, namespace: str) -> Iterator[str]:
    for pod in _pods(cluster, namespace):
        for status in pod.status.container_statuses:
            if status.restart_count:
                yield f"{pod.metadata.name}, {status.name}: {status.restart_count} restarts"


def _bad_lines(cluster: Cluster, namespace: str) -> Iterator[str]:
    for pod in _pods(cluster, namespace):
        for container in pod.spec.containers:
            if not container.image.startswith(_OURS):
                continue
            where = (pod.metadata.name, f"--namespace={namespace}", f"--container={container.name}")
            said = cluster.run_kubectl("logs", *where)
            for line in said.splitlines():
                if _BAD_LINES.search(line):
                    yield f"{pod.metadata.name}, {container.name}: {line}"
            for leak in leaks.secrets_in(said):
                yield f"{pod.metadata.name}, {container.name} logs {leak}"


def _refusals(cluster: Cluster) -> Counter[str]:
    """Count the requests that the API server has refused for want of a right, whoever made them."""
    found: Counter[str] = Counter()
    for line in cluster.run_kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total") and 'code="403"' in line:
            series, _, number = line.rpartition(" ")
            found[series] = int(float(number))
    return found


def _pods(cluster: Cluster, namespace: str) -> list[_Pod]:
    answer = cluster.run_kubectl("get", "pods", f"--namespace={namespace}", "--output=json")
    return msgspec.json.decode(answer, type=_Pods).items
