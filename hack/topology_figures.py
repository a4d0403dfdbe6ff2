"""`make topology ARGS=--figures`: how long modules take to come up, and a new key to be known.

Times are of the machine as it is meanwhile: whoever compares them must say what else it did.
"""

import json
import re
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from hack.node.cluster import Cluster
from hack.node.sandbox import HOSTNAME
from hack.processes import ServerError
from topology.modules import ALL, MODULES

ROTATIONS = 20
_KNOWN = re.compile(r"key (\S+) of nested-b is good at auxiliary after ([0-9.]+) s")
_READY = re.compile(r"(\w+) is ready: .* · (\d+):(\d\d)/")
_SERVER = ("exec", "--namespace=spire-nested", "nested-b-server-0", "--container=spire-server")


class Command(Protocol):
    """Gives the command line of `spire-registrar topology` for this cluster."""

    def __call__(self, *words: str) -> list[str]:
        """Return it, with these words."""
        ...


def measure(cluster: Cluster, command: Command, say: Callable[[str], None]) -> int:
    """Measure all of it, and say it; the modules are gone afterwards."""
    clean = command("stop", ALL, "--clean")
    for modules in ([*MODULES], [ALL]):
        _run(clean)
        cluster.have_volumes()
        for which in ("cold", "second"):
            for module in modules:
                say(f"start {module}, {which}: {_start(command('start', module))}")
    for line in _memory(cluster):
        say(line)
    seconds = sorted(_rotations(cluster, command, say))
    say(
        f"from a forced rotation at nested-b to valid at auxiliary, {len(seconds)} times: "
        f"p50 {statistics.median(seconds):.1f} s, max {seconds[-1]:.1f} s"
    )
    _run(clean)
    return 0


def _run(command: Sequence[str]) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise ServerError(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}")
    return finished.stdout


def _start(command: Sequence[str]) -> str:
    ready = [each for line in _run(command).splitlines() if (each := _READY.match(line))]
    return ", ".join(f"{each[1]} {int(each[2]) * 60 + int(each[3])} s" for each in ready)


@contextmanager
def _soak(command: Command) -> Iterator[Iterator[str]]:
    """The lines of a test that asks for a token each second until the block ends."""
    soak = subprocess.Popen(
        command("test", "federated", "--soak", "1h", "--timeout", "2h"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield iter(soak.stdout or ())
    finally:
        soak.terminate()
        soak.wait()


def _rotations(cluster: Cluster, command: Command, say: Callable[[str], None]) -> Iterator[float]:
    with _soak(command) as lines:
        # The first one that is known is the key of before.
        known = next(each for line in lines if (each := _KNOWN.search(line)))
        for _ in range(ROTATIONS):
            key = _rotate(cluster)
            known = next(each for line in lines if (each := _KNOWN.search(line)) and each[1] == key)
            say(f"key {key}: {known[2]} s")
            yield float(known[2])


def _rotate(cluster: Cluster) -> str:
    """Have nested-b sign with a new key at once; gives its ID."""
    program = ("--", "/opt/spire/bin/spire-server", "localauthority", "jwt")
    where = ("-socketPath", "/run/spire/server/api.sock", "-output", "json")
    prepared = json.loads(cluster.run_kubectl(*_SERVER, *program, "prepare", *where))
    key = str(prepared["prepared_authority"]["authority_id"])
    cluster.run_kubectl(*_SERVER, *program, "activate", f"-authorityID={key}", *where)
    return key


def _memory(cluster: Cluster) -> Iterator[str]:
    """What the containers have in memory, by the kubelet's word, by the name of the container."""
    path = f"/api/v1/nodes/{HOSTNAME}/proxy/stats/summary"
    found: dict[str, list[int]] = defaultdict(list)
    for pod in json.loads(cluster.run_kubectl("get", "--raw", path))["pods"]:
        for container in pod.get("containers", []):
            found[container["name"]].append(int(container["memory"]["workingSetBytes"]))
    for name, sizes in sorted(found.items()):
        yield f"memory of {len(sizes)} {name}: {sum(sizes) / 2**20:.0f} MiB"
    yield f"memory of all containers: {sum(map(sum, found.values())) / 2**20:.0f} MiB"
