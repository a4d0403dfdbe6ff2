"""The whole chain on a real node, for a person to see: a Pod, its files, a check, a rotation.

Everything is applied as shipped, by kubectl; then one Pod of the demo's own gets SVIDs that live
for a minute, and its files are looked at with openssl while they are renewed.
"""

import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hack.node.cluster import Cluster
from hack.node.preparation import prepare
from hack.node.sandbox import clean_environment
from hack.processes import ServerError

_CONFIG = Path(__file__).resolve().parents[2] / "config"
_SECONDS = 180.0
"""The patience with each step: SPIRE's agent looks for new entries every 5 s only."""

_TTL = "60s"
"""How long the SVIDs of the demo's Pod live; they are renewed at half of it."""

_POD = "checkout"
_SPIFFE_ID = "spiffe://example.org/demo/checkout"
_STEPS = (
    ("SPIRE's server, with the registrar beside it", "samples/controller-manager-sidecar"),
    ("SPIRE's agent on every node", "samples/spire-agent"),
    ("the node driver", "csi"),
    ("entries for the agents and the driver, and Pods", "samples/csi-controller-manager"),
)
_pause = threading.Event().wait


class ClusterDemo:
    """The demo on a running node; each line says after how many seconds it was true."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._begun = time.monotonic()

    def say(self, line: str) -> None:
        """Write a line with the time that has passed."""
        print(f"{time.monotonic() - self._begun:6.1f} s  {line}", flush=True)

    def deploy(self) -> None:
        """Apply what we ship, and wait until every Pod is ready."""
        for what, folder in _STEPS:
            self.say(f"{what}: kubectl apply -k config/{folder}")
            self._cluster.apply(_CONFIG / folder)
        for rollout in ("statefulset/spire-server", "daemonset/spire-agent", "daemonset/csi-spire"):
            self._kubectl("rollout", "status", rollout, "--namespace=spire", "--timeout=180s")
            self.say(f"{rollout} is ready")
        self._kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")
        self.say("the sample Pods are ready, and have their files")

    def run_pod(self) -> None:
        """Make a ClusterSPIFFEID and a Pod that it matches, and wait for the Pod's files."""
        self.say(f"a ClusterSPIFFEID with ttl {_TTL}, and the Pod {_POD}, which it matches")
        for document in _documents():
            self._kubectl("apply", "--filename=-", stdin=json.dumps(document))
        self._kubectl("wait", "--for=condition=Ready", f"pod/{_POD}", "--timeout=180s")
        self.say(f"the Pod {_POD} is ready; this is what it sees:")
        self._show(self._kubectl("exec", _POD, "--", "ls", "-l", "/run/svid/"))

    def verify(self) -> str:
        """Check the SVID against the bundle, both as they are in the volume; return its serial.

        Raises:
            ServerError: openssl does not accept it, or it is another workload's.

        """
        folder = self._volume()
        svid, bundle = folder / "svid.pem", folder / "bundle.pem"
        said = _openssl("verify", "-CAfile", str(bundle), "-untrusted", str(svid), str(svid))
        self.say(f"openssl verify -CAfile bundle.pem svid.pem: {said.rpartition(':')[2].strip()}")
        about = ("-serial", "-dates", "-ext", "subjectAltName")
        text = _openssl("x509", "-noout", "-in", str(svid), *about)
        if _SPIFFE_ID not in text:
            raise ServerError(f"the SVID is not that of {_SPIFFE_ID}:\n{text}")
        found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        self.say(f"it is {_SPIFFE_ID}, serial {found['serial'][-8:]}, until {found['notAfter']}")
        return found["serial"]

    def see_rotation(self, serial: str) -> str:
        """Wait until the files are those of another SVID, check that, and return its serial."""
        self._wait_for("the SVID is renewed", lambda: self._serial() != serial)
        self.say("the files were renewed, all at once, under the running Pod")
        return self.verify()

    def _serial(self) -> str:
        text = _openssl("x509", "-noout", "-serial", "-in", str(self._volume() / "svid.pem"))
        return text.strip().partition("=")[2]

    def _volume(self) -> Path:
        """Return the folder of the version of the volume that is shown now, seen from outside."""
        pod = json.loads(self._kubectl("get", "pod", _POD, "--output=json"))
        volume = f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~csi"
        mount = self._cluster.sandbox.path(f"{volume}/svid/mount")
        return mount / (mount / "..data").readlink()

    def _kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self._cluster.run_kubectl(*arguments, stdin=stdin, timeout_seconds=_SECONDS + 20)

    def _show(self, text: str) -> None:
        for line in text.splitlines():
            print(f"            {line}", flush=True)

    def _wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"not in {_SECONDS:.0f} s: {what}")
            _pause(0.5)


def play(*, once: bool, install: bool) -> None:
    """Start a node, play the demo on it, and end the node: after one rotation, or at Ctrl-C.

    Raises:
        ToolError: the machine lacks something, or a build failed.
        ServerError: a step failed; the message says which, and what was written about it.

    """

    def say(line: str) -> None:
        print(line, flush=True)

    archives = prepare(say, install=install)
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="demo-cluster-")))
    try:
        demo = ClusterDemo(cluster)
        cluster.start(archives, demo.say, outlive_us=False)
        demo.say("the node is Ready")
        demo.deploy()
        demo.run_pod()
        serial = demo.see_rotation(demo.verify())
        if not once:
            say(f"export KUBECONFIG={cluster.kubeconfig}")
            say(f"kubectl: {cluster.kubectl}")
            say("It goes on rotating. Ctrl-C ends the node, and everything on it.")
        while not once:
            serial = demo.see_rotation(serial)
    finally:
        cluster.stop()
        say("the node is gone")


def _openssl(*arguments: str) -> str:
    command = ["openssl", *arguments]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=clean_environment()
    )
    if finished.returncode != 0:
        said = re.sub(r"\s+", " ", finished.stderr + finished.stdout).strip()
        raise ServerError(f"openssl {arguments[0]}: {said}")
    return finished.stdout


def _documents() -> list[dict[str, object]]:
    """Return the ClusterSPIFFEID and the Pod of the demo."""
    volume = {"name": "svid", "csi": {"driver": "csi.spire.io", "readOnly": True}}
    container = {
        "name": "main",
        "image": "busybox:1.37",
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "svid", "mountPath": "/run/svid", "readOnly": True}],
    }
    labels = {"app": _POD}
    return [
        {
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterSPIFFEID",
            "metadata": {"name": _POD},
            "spec": {
                "spiffeIDTemplate": _SPIFFE_ID,
                "podSelector": {"matchLabels": labels},
                "ttl": _TTL,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": _POD, "labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "securityContext": {"runAsUser": 1000, "runAsNonRoot": True, "fsGroup": 4000},
                "containers": [container],
                "volumes": [volume],
            },
        },
    ]
