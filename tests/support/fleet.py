"""Pods with an SVID volume each on a real node, what is done to them, and what must hold then."""

import json
import os
import signal
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from hack.node.cluster import Cluster
from tests.support.node import CONFIG, wait_for
from tests.support.svidwatch import SVIDWatch, Watched

NAMESPACE = "fleet"
TTL_SECONDS = 40
DRIVER_LABEL = "app.kubernetes.io/name=csi-spire"
_PODS = "/var/lib/kubelet/pods"
_RECORDS = "/var/lib/kubelet/plugins/csi.spire.io/volumes"
_MISSING_FILES_CODE = 17


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    namespace: str = ""
    deletion_timestamp: str = ""


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Ended(msgspec.Struct, rename="camel"):
    exit_code: int
    reason: str = ""


class _State(msgspec.Struct):
    terminated: _Ended | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: str
    restart_count: int
    last_state: _State = msgspec.field(default_factory=_State)


class _Status(msgspec.Struct, rename="camel"):
    phase: str = ""
    conditions: list[_Condition] = []
    container_statuses: list[_Container] = []


class Pod(msgspec.Struct):
    """A Pod as the API server has it."""

    metadata: _Metadata
    status: _Status

    @property
    def is_ready(self) -> bool:
        """Whether it runs, and is to stay."""
        ready = any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)
        return ready and not self.metadata.deletion_timestamp

    @property
    def restarts(self) -> int:
        """How often its containers were started again."""
        return sum(container.restart_count for container in self.status.container_statuses)


class _Pods(msgspec.Struct):
    items: list[Pod]


class Event(msgspec.Struct, rename="camel"):
    """An Event, as far as a person reads it."""

    class About(msgspec.Struct):
        name: str

    involved_object: About
    type: str
    reason: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.type} {self.reason} {self.involved_object.name}: {self.message}"


class _Events(msgspec.Struct):
    items: list[Event]


def deploy(node: Cluster) -> None:
    """A SPIRE server with a registrar beside it, agent, node driver and the samples, as shipped."""
    for name in ("controller-manager-sidecar", "spire-agent"):
        node.apply(CONFIG / "samples" / name)
    node.apply(CONFIG / "csi")
    # The webhook must answer before objects can be made that it is asked about.
    for what in ("statefulset/spire-server", "daemonset/csi-spire", "daemonset/spire-agent"):
        node.run_kubectl("rollout", "status", "-n", "spire", what, timeout_seconds=120)
    node.apply(CONFIG / "samples/csi-controller-manager")


class Fleet:
    """The Pods of one namespace, each with an identity of its own that does not live for long."""

    def __init__(self, node: Cluster, watch: SVIDWatch) -> None:
        self.node = node
        self.watch = watch
        self._log = node.sandbox.logs / "kubelet.log"
        self._log_at = 0
        self._apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {
                "apiVersion": "spire.spiffe.io/v1alpha1",
                "kind": "ClusterSPIFFEID",
                "metadata": {"name": NAMESPACE},
                "spec": {
                    "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/" + NAMESPACE + "/"
                    "{{ .PodMeta.Name }}",
                    "podSelector": {"matchLabels": {"app": NAMESPACE}},
                    "ttl": f"{TTL_SECONDS}s",
                },
            },
        )

    def pods(self) -> dict[str, Pod]:
        """All Pods of the fleet, by their names."""
        return {pod.metadata.name: pod for pod in self._pods("--namespace", NAMESPACE)}

    def driver(self) -> Pod:
        """The driver's Pod."""
        (found,) = self._pods("--namespace=spire", f"--selector={DRIVER_LABEL}")
        return found

    def make(self, names: Iterable[str]) -> None:
        """Make Pods of these names, without waiting for them."""
        self._apply(*map(_manifest, names))

    def wait_running(self, names: Collection[str]) -> None:
        """Return once these Pods run; from then on their files must be right."""

        def run() -> bool:
            pods = self.pods()
            return all(name in pods and pods[name].is_ready for name in names)

        wait_for(f"all of {len(names)} Pods run: {', '.join(names)}", run)
        self.watch_over(names)

    def watch_over(self, names: Collection[str]) -> None:
        """From now on the files of these Pods must be right."""
        pods = self.pods()
        self.watch.add(
            Watched(
                name,
                self.node.sandbox.path(f"{_volume(pods[name].metadata.uid)}/mount"),
                f"spiffe://example.org/{NAMESPACE}/{name}",
            )
            for name in names
        )

    def delete(self, names: Collection[str], *arguments: str) -> None:
        """Delete Pods, without waiting for their end."""
        self.watch.leave(names)
        self.node.run_kubectl(
            "delete", "pod", "--namespace", NAMESPACE, "--wait=false", *arguments, *names
        )

    def kill(self, pod: Pod) -> None:
        """Kill the processes of a Pod's containers, as a crash does."""
        for pid in _processes(pod.metadata.uid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def events(self) -> list[Event]:
        """What was said about the Pods of the fleet."""
        text = self.node.run_kubectl("get", "events", f"--namespace={NAMESPACE}", "--output=json")
        return msgspec.json.decode(text, type=_Events).items

    def wait_until_rotated(self) -> None:
        """Return once every Pod that is watched has another certificate than it has now."""
        wait_for("every volume was looked at", lambda: all(self.watch.serials().values()))
        before = self.watch.serials()

        def all_are_others() -> bool:
            now = self.watch.serials()
            return all(now.get(name, serial) != serial for name, serial in before.items())

        wait_for("every Pod's SVID is renewed", all_are_others)

    def wait_until_clean(self) -> None:
        """Return once the node has nothing of Pods that are gone, and all there are run."""
        wait_for("nothing is left over", lambda: not self._leftovers())

    def complaints(self) -> list[str]:
        """What the kubelet has logged about volumes that stay behind, since the last call."""
        with self._log.open(errors="replace") as file:
            file.seek(self._log_at)
            lines = file.readlines()
            self._log_at = file.tell()
        return [line for line in lines if "orphan" in line.lower() and "found" in line.lower()]

    def _leftovers(self) -> list[str]:
        """What there should not be: folders, mounts, records and Pods that hang."""
        pods = self._pods("--all-namespaces")
        uids = {pod.metadata.uid for pod in pods}
        found = [f"Pod {pod.metadata.name} does not run" for pod in pods if not pod.is_ready]
        folders = {path.name for path in self.node.sandbox.path(_PODS).iterdir()}
        found += [f"folder of a Pod that is gone: {uid}" for uid in folders - uids]
        for where, pid in (("node", self.node.sandbox.pid), ("driver", self._driver_pid())):
            mounts = Counter(_mounted(pid))
            found += [f"{where}: mounted {n} times: {path}" for path, n in mounts.items() if n > 1]
            found += [
                f"{where}: mount of a Pod that is gone: {path}"
                for path in mounts
                if path.removeprefix(f"{_PODS}/").partition("/")[0] not in uids
            ]
        records = [path.read_text() for path in self.node.sandbox.path(_RECORDS).iterdir()]
        gone = [record for record in records if not any(uid in record for uid in uids)]
        return [*found, *(f"record of a volume that is gone: {record}" for record in gone)]

    def _driver_pid(self) -> int:
        return next(_processes(self.driver().metadata.uid))

    def _pods(self, *arguments: str) -> list[Pod]:
        text = self.node.run_kubectl("get", "pods", "--output=json", *arguments)
        return msgspec.json.decode(text, type=_Pods).items

    def _apply(self, *objects: dict[str, object]) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.node.run_kubectl("apply", "-f", "-", stdin=json.dumps(document))


def _volume(uid: str) -> str:
    return f"{_PODS}/{uid}/volumes/kubernetes.io~csi/svid"


def _processes(uid: str) -> Iterator[int]:
    """The processes of a Pod's containers, by the machine's count; not the one that holds its
    namespaces."""
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):
            command = group.with_name("cmdline").read_bytes()
            if f"pod{uid}" in group.read_text() and not command.startswith(b"/pause"):
                yield int(group.parent.name)


def _mounted(pid: int | None) -> list[str]:
    """Where something is mounted below the folders of Pods, once for each mount."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    points = (line.split(" ")[4] for line in lines)
    return [point for point in points if point.startswith(f"{_PODS}/")]


def _manifest(name: str) -> dict[str, object]:
    # Its container ends at once where it starts without its files.
    look = " && ".join(f"test -s /run/svid/{file}" for file in ("svid.pem", "svid_key.pem"))
    command = f"{look} || exit {_MISSING_FILES_CODE}; exec sleep infinity"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": NAMESPACE}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "fsGroup": 4000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": "busybox:1.37",
                    "command": ["sh", "-c", command],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "svid", "mountPath": "/run/svid", "readOnly": True}],
                }
            ],
            "volumes": [{"name": "svid", "csi": {"driver": "csi.spire.io", "readOnly": True}}],
        },
    }
