"""``spire-registrar dev``: the main job on an embedded cluster, shown live.

The registrar runs as a process of its own, with a configuration file and a
kubeconfig, exactly as in a cluster; this one only plays the servers, applies
samples and watches.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path

from demo.failure import DemoFailed
from registrar.errors import flat


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "dev",
        aliases=["demo"],
        help="run everything on an embedded cluster and show it live",
        description="Start an embedded Kubernetes API and an embedded SPIRE server on loopback, "
        "apply samples, run the registrar against them, and show what becomes what. Needs no "
        "cluster. Ctrl-C ends it and leaves nothing behind.",
    )
    parser.add_argument(
        "--once", action="store_true", help="check the result and end; exit code 1 if it is wrong"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port of the Kubernetes API (default: a free one)"
    )
    parser.add_argument(
        "--csi",
        action="store_true",
        help="play the node driver's demo instead: SVIDs as files, and TLS while they rotate",
    )
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    return _csi(once=arguments.once) if arguments.csi else _registrar(arguments)


def _csi(*, once: bool) -> int:
    """The node driver's demo, with mounts of this process's own."""
    from devcluster.mounts import own_mounts  # noqa: PLC0415 - as below

    why = own_mounts()
    if why:
        print(f"spire-registrar dev --csi: {why}: run it as root", file=sys.stderr)
        return 1
    from demo.files import play_files  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="spire-csi-") as name:
        return play_to_its_end(play_files(Path(name), once=once))


def _registrar(arguments: argparse.Namespace) -> int:
    """The registrar's demo."""
    # Only here: `--help` should not wait until the embedded servers are imported.
    from demo import play  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="spire-registrar-") as name:
        folder = Path(name)
        log = folder / play.LOG
        code = play_to_its_end(play.play(folder, once=arguments.once, port=arguments.port))
        if code and log.exists():
            print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
        return code


def play_to_its_end(demo: Coroutine[None, None, None]) -> int:
    """Play a demo to its end, or until the user stops it; gives the exit code."""
    code = 0
    try:
        asyncio.run(demo)
    except* DemoFailed as failures:
        code = 1
        print(f"FAILED: {flat(failures)[0]}", file=sys.stderr)
    except* (KeyboardInterrupt, asyncio.CancelledError):
        print()
    return code
