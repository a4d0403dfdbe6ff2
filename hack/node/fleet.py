"""Pods with an SVID volume each on a real node, what is done to them, and what must hold then."""

import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from hack.node.cluster import Cluster
from hack.node.sandbox import HOSTNAME
from hack.node.svidwatch import NAMES, SVIDWatch, Watched
from hack.node.waiting import apply, wait_for
from hack.processes import ServerError

NAMESPACE = "fleet"
_CONFIG = Path(__file__).resolve().parents[2] / "config"
TTL_SECONDS = 40
DRIVER_LABEL = "app.kubernetes.io/name=csi-spire"
_PODS = "/var/lib/kubelet/pods"
_CONTAINER_GROUP = re.compile(r"/pod[0-9a-f-]{36}/([0-9a-f]{64})$", re.MULTILINE)
_RECORDS = "/var/lib/kubelet/plugins/csi.spire.io/volumes"


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    namespace: str = ""
    deletion_timestamp: str = ""
    labels: dict[str, str] = {}


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Container(msgspec.Struct, rename="camel"):
    name: str
    restart_count: int
    container_id: str = msgspec.field(name="containerID", default="")


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
    def group(self) -> str:
        """The group that it was made with."""
        return self.metadata.labels.get("group", "")

    @property
    def containers(self) -> list[str]:
        """What the container runtime calls its containers."""
        statuses = self.status.container_statuses
        return [status.container_id.removeprefix("containerd://") for status in statuses]

    @property
    def restarts(self) -> int:
        """How often its containers were started again."""
        return sum(container.restart_count for container in self.status.container_statuses)


class _Pods(msgspec.Struct):
    items: list[Pod]


class Event(msgspec.Struct, rename="camel"):
    """An Event, as far as a person reads it."""

    class About(msgspec.Struct):
        """What it is about."""

        kind: str
        name: str

    involved_object: About
    type: str
    reason: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.type} {self.reason} {self.involved_object.name}: {self.message}"


class _Events(msgspec.Struct):
    items: list[Event]


class VolumeStats(msgspec.Struct, rename="camel"):
    """What the kubelet tells of a volume."""

    name: str
    capacity_bytes: int = 0
    used_bytes: int = 0


class _PodStats(msgspec.Struct, rename="camel"):
    class Reference(msgspec.Struct):
        namespace: str

    pod_ref: Reference
    volume: list[VolumeStats] = []


class _Summary(msgspec.Struct):
    pods: list[_PodStats]


def deploy(node: Cluster) -> None:
    """A SPIRE server with a registrar beside it, agent, node driver and the samples, as shipped.

    One after the other, so that no Pod waits for a driver that is not there and is warned of it.
    """
    for name in ("samples/controller-manager-sidecar", "samples/spire-agent", "csi"):
        node.apply(_CONFIG / name)
    _wait_rolled_out(node, "statefulset/spire-server")
    node.run_kubectl(
        "apply", "-f", str(_CONFIG / "samples/csi-controller-manager/node_driver.yaml")
    )
    _wait_rolled_out(node, "daemonset/csi-spire")
    node.apply(_CONFIG / "samples/csi-controller-manager")


def _wait_rolled_out(node: Cluster, what: str) -> None:
    node.run_kubectl(
        "rollout", "status", "--namespace=spire", "--timeout=110s", what, timeout_seconds=120
    )


class Fleet:
    """The Pods of one namespace, each with an identity of its own that does not live for long."""

    def __init__(self, node: Cluster, watch: SVIDWatch) -> None:
        self.node = node
        self.watch = watch
        self._log = node.sandbox.logs / "kubelet.log"
        self._log_at = 0
        apply(
            self.node,
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
        """Return the driver's Pod."""
        return self.pod_of(DRIVER_LABEL)

    def pod_of(self, label: str) -> Pod:
        """Return the one Pod of SPIRE's namespace that has a label.

        Raises:
            ServerError: there is none, or there are several.

        """
        found = self._pods("--namespace=spire", f"--selector={label}")
        if len(found) != 1:
            raise ServerError(f"{len(found)} Pods with the label {label}, not one")
        return found[0]

    def replace_driver(self) -> Pod:
        """Delete the driver's Pod, and return the one that takes its place, once it is ready."""
        return self.replace(DRIVER_LABEL)

    def replace(self, label: str) -> Pod:
        """Delete the Pod with a label, and return the next one, once that is ready."""
        old = self.pod_of(label)
        self.node.run_kubectl("delete", "pod", "--namespace=spire", old.metadata.name)

        def is_replaced() -> bool:
            found = self._pods("--namespace=spire", f"--selector={label}")
            return [pod.metadata.uid for pod in found if pod.is_ready] not in (
                [],
                [old.metadata.uid],
            )

        wait_for(f"another Pod with the label {label} is ready", is_replaced)
        return self.pod_of(label)

    def make(self, names: Iterable[str], group: str = "") -> None:
        """Make Pods of these names, all of one group, without waiting for them."""
        apply(self.node, *(_manifest(name, group) for name in names))

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
                self._volume(pods[name]),
                f"spiffe://example.org/{NAMESPACE}/{name}",
            )
            for name in names
        )

    def delete(self, name: str, *arguments: str) -> None:
        """Delete a Pod, without waiting for its end."""
        self.watch.leave([name])
        self._delete(name, *arguments)

    def delete_group(self, group: str) -> None:
        """Delete the Pods of a group, all at once, without waiting for their end."""
        self.watch.leave(name for name, pod in self.pods().items() if pod.group == group)
        self._delete("--selector", f"group={group}")

    def _delete(self, *arguments: str) -> None:
        self.node.run_kubectl("delete", "pod", "--namespace", NAMESPACE, "--wait=false", *arguments)

    def kill(self, pod: Pod, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the processes of a Pod's containers, as a crash does; or send another signal."""
        processes = _processes()
        for container in pod.containers:
            for pid in processes[container]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def events(self, namespace: str = NAMESPACE) -> list[Event]:
        """What was said about the Pods of the fleet, or what else is in a namespace."""
        text = self.node.run_kubectl("get", "events", f"--namespace={namespace}", "--output=json")
        return msgspec.json.decode(text, type=_Events).items

    def volume_stats(self, namespace: str) -> dict[str, VolumeStats]:
        """What the kubelet tells of the volumes in a namespace, by their names."""
        path = f"/api/v1/nodes/{HOSTNAME}/proxy/stats/summary"
        text = self.node.run_kubectl("get", "--raw", path)
        pods = msgspec.json.decode(text, type=_Summary).pods
        found = [
            volume for pod in pods if pod.pod_ref.namespace == namespace for volume in pod.volume
        ]
        return {volume.name: volume for volume in found}

    def serials(self) -> dict[str, int]:
        """The serial number of the certificate that each Pod that is watched has now."""
        wait_for("every volume was looked at", lambda: all(self.watch.serials().values()))
        return self.watch.serials()

    def wait_until_rotated(self, before: Mapping[str, int]) -> None:
        """Return once all of these Pods have other certificates than then."""

        def all_are_others() -> bool:
            now = self.watch.serials()
            return all(now.get(name) != serial for name, serial in before.items())

        wait_for("every Pod's SVID is renewed", all_are_others)

    def wait_until_clean(self) -> None:
        """Return once the node has nothing of Pods that are gone, and all there are run."""
        left: list[str] = []

        def is_clean() -> bool:
            try:
                left[:] = self._leftovers()
            except FileNotFoundError as error:
                # What was just being looked at has gone.
                left[:] = [str(error)]
            return not left

        try:
            wait_for("nothing is left over", is_clean)
        except ServerError as error:
            raise ServerError("\n".join([str(error), *left])) from None

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
        processes = _processes()
        drivers = [pid for name in self.driver().containers for pid in processes[name]]
        views = [("node", self.node.sandbox.pid), *(("driver", pid) for pid in drivers)]
        for where, pid in views:
            mounts = Counter(_mounted(pid))
            found += [f"{where}: mounted {n} times: {path}" for path, n in mounts.items() if n > 1]
            found += [
                f"{where}: mount of a Pod that is gone: {path}"
                for path in mounts
                if path.removeprefix(f"{_PODS}/").partition("/")[0] not in uids
            ]
        records = [path.read_text() for path in self.node.sandbox.path(_RECORDS).iterdir()]
        gone = [record for record in records if not any(uid in record for uid in uids)]
        found += [f"record of a volume that is gone: {record}" for record in gone]
        return found + [
            f"the container of {pod.metadata.name} does not show its volume"
            for pod in pods
            if pod.metadata.namespace == NAMESPACE and not self._shows(pod, processes)
        ]

    def _shows(self, pod: Pod, processes: defaultdict[str, list[int]]) -> bool:
        """Whether a Pod's container sees the very folder that the driver writes into."""
        volume = self._volume(pod)
        pids = [pid for container in pod.containers for pid in processes[container]]
        views = [Path(f"/proc/{pid}/root/run/svid") for pid in pids]
        try:
            return bool(views) and all(view.samefile(volume) for view in views)
        except FileNotFoundError:
            return False

    def _volume(self, pod: Pod) -> Path:
        return self.node.sandbox.path(
            f"{_PODS}/{pod.metadata.uid}/volumes/kubernetes.io~csi/svid/mount"
        )

    def _pods(self, *arguments: str) -> list[Pod]:
        text = self.node.run_kubectl("get", "pods", "--output=json", *arguments)
        return msgspec.json.decode(text, type=_Pods).items


def _processes() -> defaultdict[str, list[int]]:
    """The processes of all containers, by the machine's count and the containers' names."""
    found = defaultdict(list)
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):
            container = _CONTAINER_GROUP.search(group.read_text())
            if container:
                found[container[1]].append(int(group.parent.name))
    return found


def _mounted(pid: int | None) -> list[str]:
    """Where something is mounted below the folders of Pods, once for each mount."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    points = (line.split(" ")[4] for line in lines)
    return [point for point in points if point.startswith(f"{_PODS}/")]


def _manifest(name: str, group: str) -> dict[str, object]:
    # Its container ends, and is started again, where it starts without its files.
    look = " && ".join(f"test -s /run/svid/{file}" for file in NAMES)
    command = f"{look} && exec sleep infinity"
    labels = {"app": NAMESPACE, "group": group}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
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
