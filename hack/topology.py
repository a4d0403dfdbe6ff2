"""`make topology`: the modules of deploy/ on a real node, started, tested and stopped.

Without a cluster, a registry or a container engine: the node of `make cluster` is taken, or started
and ended afterwards. What happens to the modules is what `spire-registrar topology` does.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hack.compilers import ToolError
from hack.node import machine
from hack.node.__main__ import default_folder
from hack.node.cluster import Cluster
from hack.node.preparation import may_install, prepare
from hack.node.sandbox import clean_environment
from hack.processes import ServerError
from registrar.errors import InvalidField
from topology.modules import ALL, MODULES, Module, named, with_needed

_VOLUMES = 8
"""More than all servers need at the same time."""


def _say(line: str) -> None:
    print(line, flush=True)


def _prepare(cluster: Cluster, *, install: bool) -> None:
    """Have a node, with our present image and volumes that nobody has used."""
    archives = prepare(_say, install=install)
    if cluster.is_running:
        cluster.load(archives)
    else:
        cluster.start(archives, _say, outlive_us=False)
    cluster.have_volumes(_VOLUMES)


def _command(cluster: Cluster, action: str, *arguments: str) -> int:
    """Run `spire-registrar topology`; return its exit code."""
    where = (f"--kubeconfig={cluster.kubeconfig}", f"--kubectl={cluster.kubectl}")
    command = [sys.executable, "-m", "manager", "topology", action, *arguments, *where]
    _say(f"== spire-registrar topology {action} {' '.join(arguments)}")
    begun = time.monotonic()
    code = subprocess.run(command, check=False, env=clean_environment()).returncode
    _say(f"== exit code {code} after {time.monotonic() - begun:.0f} s")
    return code


def _play(cluster: Cluster, modules: Sequence[Module]) -> int:
    """Start and test each module, then end all; return the exit code of what failed first."""
    code = 0
    for module in modules:
        code = _command(cluster, "start", module.name) or _command(cluster, "test", module.name)
        if code:
            break
    _command(cluster, "status")
    names = [module.name for module in modules]
    return code or _command(cluster, "stop", *names, "--clean")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hack.topology",
        description="Start, test and stop SPIRE topologies on a real node of this machine.",
    )
    parser.add_argument("modules", nargs="*", default=[ALL], help=f"{', '.join(MODULES)} or {ALL}")
    parser.add_argument(
        "--install", action="store_true", help="install missing Debian packages (CI=true does)"
    )
    parser.add_argument("--dir", type=Path, default=default_folder(), help="the node's folder")
    return parser.parse_args(arguments)


def _run(chosen: argparse.Namespace) -> int:
    modules = with_needed(named(chosen.modules, path="modules"))
    if os.geteuid() != 0:
        raise ToolError(machine.NO_ROOT)
    cluster = Cluster(chosen.dir.resolve())
    was_there = cluster.is_running
    try:
        _prepare(cluster, install=chosen.install or may_install())
        return _play(cluster, modules)
    finally:
        if not was_there:
            cluster.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    # A plain "kill" ends what was begun as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(_parse(arguments))
    except InvalidField as error:
        print(error, file=sys.stderr)
        return 2
    except (ToolError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
