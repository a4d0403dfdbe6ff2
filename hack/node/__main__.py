"""The command line of the real node: `make cluster`, `make cluster ARGS=stop`."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hack.compilers import ToolError, cache_folder
from hack.node import machine
from hack.node.cluster import Cluster
from hack.node.preparation import may_install, prepare
from hack.node.sandbox import clean_environment
from hack.processes import ServerError

_COMMANDS = {
    "start": "start it, after building what is missing (the default)",
    "stop": "end it, and everything that runs on it, and remove its folder",
    "status": "say whether it runs, and how to reach it",
    "reboot": "kill all that runs on the node, as a loss of power does, and start it again",
    "prepare": "build and install what it needs, without starting it",
    "kubectl": "run kubectl on it: kubectl -- get pods -A",
}


def default_folder() -> Path:
    """Return where `make cluster` has its one node."""
    return cache_folder() / "cluster"


def _say(line: str) -> None:
    print(line, flush=True)


def _start(cluster: Cluster, *, install: bool) -> None:
    if cluster.is_running:
        _say("the node runs already")
    else:
        archives = prepare(_say, install=install)
        begun = time.monotonic()
        try:
            cluster.start(archives, _say, outlive_us=True)
        except KeyboardInterrupt:
            _stop(cluster)
            raise
        _say(f"the node is Ready, with its images, after {time.monotonic() - begun:.0f} s")
    _tell(cluster)


def _stop(cluster: Cluster) -> None:
    was_there = cluster.folder.exists()
    cluster.stop()
    _say("the node is gone" if was_there else f"no node was in {cluster.folder}")


def _tell(cluster: Cluster) -> None:
    if not cluster.is_running:
        _say(_none_in(cluster))
        return
    _say(cluster.run_kubectl("get", "nodes", "-o", "wide").rstrip())
    _say(f"export KUBECONFIG={cluster.kubeconfig}")
    _say(f"kubectl: {cluster.kubectl}")
    _say(f"logs: {cluster.sandbox.logs}")
    own = "" if cluster.folder == default_folder() else f" --dir {cluster.folder}"
    _say(f'make cluster ARGS="stop{own}" ends it')


def _none_in(cluster: Cluster) -> str:
    return f"no node runs in {cluster.folder}; make cluster starts one"


def _kubectl(cluster: Cluster, arguments: Sequence[str]) -> int:
    command = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", *arguments]
    return subprocess.run(command, check=False, env=clean_environment()).returncode


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hack.node",
        description="A real Kubernetes node on this machine, in namespaces of its own.",
        epilog="\n".join(f"  {name:9} {text}" for name, text in _COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=[*_COMMANDS], default="start")
    parser.add_argument("arguments", nargs="*", help="what kubectl is told, after --")
    parser.add_argument(
        "--install", action="store_true", help="install missing Debian packages (CI=true does)"
    )
    parser.add_argument("--dir", type=Path, default=default_folder(), help="the node's folder")
    chosen = parser.parse_args(arguments)
    if chosen.arguments and chosen.command != "kubectl":
        parser.error(f"{chosen.command} takes no arguments: {' '.join(chosen.arguments)}")
    return chosen


def _run(chosen: argparse.Namespace) -> int:
    install: bool = chosen.install or may_install()
    # The node's first process works in its folder, so that a relative path would lead elsewhere.
    cluster = Cluster(chosen.dir.resolve())
    if chosen.command in {"stop", "reboot", "kubectl"} and os.geteuid() != 0:
        raise ToolError(machine.NO_ROOT)
    if chosen.command in {"reboot", "kubectl"} and not cluster.is_running:
        raise ServerError(_none_in(cluster))
    match chosen.command:
        case "start":
            _start(cluster, install=install)
        case "stop":
            _stop(cluster)
        case "status":
            _tell(cluster)
        case "reboot":
            cluster.reboot()
            _say("the node is Ready again")
        case "prepare":
            prepare(_say, install=install)
        case "kubectl":
            return _kubectl(cluster, chosen.arguments)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    # A plain "kill" ends what was begun as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(_parse(arguments))
    except (ToolError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
