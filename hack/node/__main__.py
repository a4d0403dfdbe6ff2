"""The command line of the real node: `make cluster`, `make cluster ARGS=stop`."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hack.compilers import ToolError, cache_folder
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
        cluster.start(archives, _say, outlive_us=True)
        _say(f"the node is Ready, with its images, after {time.monotonic() - begun:.0f} s")
    _tell(cluster)


def _tell(cluster: Cluster) -> None:
    if not cluster.is_running:
        _say("no node runs; make cluster starts one")
        return
    _say(cluster.run_kubectl("get", "nodes", "-o", "wide").rstrip())
    _say(f"export KUBECONFIG={cluster.kubeconfig}")
    _say(f"kubectl: {cluster.kubectl}")
    _say(f"logs: {cluster.sandbox.logs}")
    own = "" if cluster.folder == default_folder() else f" --dir {cluster.folder}"
    _say(f'make cluster ARGS="stop{own}" ends it')


def _kubectl(cluster: Cluster, arguments: Sequence[str]) -> int:
    command = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", *arguments]
    return subprocess.run(command, check=False, env=clean_environment()).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
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
    install: bool = chosen.install or may_install()
    try:
        cluster = Cluster(chosen.dir)
        match chosen.command:
            case "start":
                _start(cluster, install=install)
            case "stop":
                cluster.stop()
                _say("the node is gone")
            case "status":
                _tell(cluster)
            case "reboot":
                cluster.reboot()
                _say("the node is Ready again")
            case "prepare":
                prepare(_say, install=install)
            case "kubectl":
                return _kubectl(cluster, chosen.arguments)
    except (ToolError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
