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
from hack.topology_figures import measure
from registrar.errors import InvalidField
from topology.components import choose
from topology.modules import ALL, MODULES, Module, named, with_needed

SOAKED = "federated"
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


def _line(cluster: Cluster, *arguments: str) -> list[str]:
    """Return the command line of `spire-registrar topology` for the node."""
    where = (f"--kubeconfig={cluster.kubeconfig}", f"--kubectl={cluster.kubectl}")
    return [sys.executable, "-m", "manager", "topology", *arguments, *where]


def _command(cluster: Cluster, *arguments: str) -> int:
    """Run `spire-registrar topology`; return its exit code."""
    _say(f"== spire-registrar topology {' '.join(arguments)}")
    begun = time.monotonic()
    command = _line(cluster, *arguments)
    code = subprocess.run(command, check=False, env=clean_environment()).returncode
    _say(f"== exit code {code} after {time.monotonic() - begun:.0f} s")
    return code


def _play(
    cluster: Cluster, modules: Sequence[Module], components: Sequence[str], soak: Sequence[str]
) -> int:
    """Start and test each module, then end all; return the exit code of what failed first."""
    code = 0
    # As many commands as modules, each with all components of the modules that it brings up.
    chosen = choose(components, modules, path="--component")
    for number, module in enumerate(modules):
        there = {name for each in modules[: number + 1] for name in chosen.of(each)}
        flags = [f"--component={name}" for name in chosen.names if name in there]
        own = [f"--component={name}" for name in chosen.of(module)]
        more = soak if module.name == SOAKED else ()
        code = _command(cluster, "start", module.name, *flags) or _command(
            cluster, "test", module.name, *own, *more
        )
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
    parser.add_argument(
        "--component", action="append", default=[], help="one of deploy/components, for all of it"
    )
    parser.add_argument("--soak", help="the soak of the federated module, such as 10m")
    parser.add_argument(
        "--figures",
        action="store_true",
        help="measure instead; docs/performance.md has the figures",
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
        if chosen.figures:
            return measure(cluster, lambda *words: _line(cluster, *words), _say)
        soak = (f"--soak={chosen.soak}", "--timeout=2h") if chosen.soak else ()
        return _play(cluster, modules, chosen.component, soak)
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
