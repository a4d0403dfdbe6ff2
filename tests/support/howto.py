"""The commands of docs/howto/install.md, run as they stand there, against the real node."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from hack import definitions
from hack.node.cluster import Cluster
from hack.node.sandbox import clean_environment

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs/howto/install.md"
SECONDS = 150.0
"""The patience with all commands of a block; their own patience is shorter."""

_BETWEEN_NUDGES = 10.0
"""Seconds; what kubectl waits for is usually gone by then."""


def blocks(heading: str, page: Path = PAGE) -> list[str]:
    """Return the shell commands below a heading, a text for each block."""
    text = page.read_text(encoding="utf-8")
    _, found, below = text.partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    section = re.split(r"^## ", below, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def other_modes(page: Path = PAGE) -> dict[str, tuple[str, str]]:
    """Return what is applied in each further mode: the server with its registrar, the Pods."""
    rows = re.findall(
        r"^\| ([\w ,]+) \| `([\w/-]+)` \| `([\w/-]+)` \|$", page.read_text(), re.MULTILINE
    )
    assert rows, f"{page.name} has no table of modes"
    return {mode: (server, pods) for mode, server, pods in rows}


class Shell:
    """Where a person types: a folder in which config/ lies, kubectl and spire-registrar at hand."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        (folder / "config").symlink_to(CHECKOUT / "config")
        environment = clean_environment()
        tools = (str(cluster.kubectl.parent), str(Path(sys.executable).parent), environment["PATH"])
        self._environment = environment | {
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": os.pathsep.join(tools),
        }

    def run(self, commands: str) -> str:
        """Run the commands up to the first one that fails; return what they wrote."""
        with subprocess.Popen(
            ["sh", "-exc", commands],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                written, errors = self._communicate(process)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == 0, f"{written}\n{errors}"
        return written

    def _communicate(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        """Wait for the end; kubectl may wait for a definition that the API server forgot."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return process.communicate(timeout=_BETWEEN_NUDGES)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise
                definitions.nudge(self._cluster.run_kubectl)


def left(cluster: Cluster) -> list[str]:
    """Return what is still there of all that we ship, and of SPIRE, once it was taken away."""
    kinds = "namespaces,crds,csidrivers,clusterroles,clusterrolebindings"
    kinds += ",validatingwebhookconfigurations,leases,roles,rolebindings"
    found = cluster.run_kubectl("get", kinds, "--all-namespaces", "--output=name").splitlines()
    return [each for each in found if re.search(r"spiffe|spire|registrar|manager-role", each)]
