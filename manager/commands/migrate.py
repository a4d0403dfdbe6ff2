"""``spire-registrar migrate``: from another registrar to this one, and back."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.confirmation import EXIT_REFUSED, add_yes_flag
from manager.commands.lifecycle import say_errors
from manager.commands.plan import add_limit_flag
from manager.commands.timelimit import add_timeout
from manager.output import add_output_flag
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Coroutine

EXIT_FAILED = 1
EXIT_MISSING = 4
PEERS = ("spire-controller-manager", "k8s-workload-registrar", "spire-k8s-registrar")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "migrate",
        help="replace another registrar by this one, without losing an entry",
        description="Read the running installation of another registrar out of the cluster, say "
        "how its configuration is understood, and write that, manifests for kustomize and the "
        "steps by hand into a folder; then show the plan, where the SPIRE server can be reached "
        "from here. With --apply the steps are done, each stated first: the other registrar is "
        "stopped, ours is started and takes its entries over; meanwhile every entry of the SPIRE "
        "server is watched. With --undo it is all put back.",
        epilog="Exit code 0: done, and no entry was missing in any listing. "
        f"{EXIT_FAILED}: a server cannot be reached, or a step failed; those after it were not "
        f"done. {EXIT_CONFIGURATION}: a flag or the other registrar's configuration is wrong, or "
        f"none or several are found. {EXIT_REFUSED}: nobody agreed, or another registrar has the "
        f"prefix already; nothing was changed. {EXIT_MISSING}: done, but an entry was missing.",
    )
    parser.add_argument("peer", choices=PEERS, metavar="PEER", help=", ".join(PEERS))
    parser.add_argument(
        "-n", "--namespace", default="", metavar="NAME", help="look in this one only (default: all)"
    )
    parser.add_argument(
        "--workload",
        default="",
        metavar="KIND/NAME",
        help="what runs it, such as statefulset/spire-server, where several do",
    )
    parser.add_argument(
        "--container",
        default="",
        metavar="NAME",
        help="the container, where several run it or its image is called otherwise",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a file in the place of its own: --apply puts it into the ConfigMap",
    )
    parser.add_argument("--image", default="", metavar="IMAGE", help="ours; --apply needs it")
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="FOLDER",
        help="where everything is written, and kept for --undo (default: migrate-PEER)",
    )
    parser.add_argument(
        "--server-socket-path",
        type=Path,
        metavar="PATH",
        help="the SPIRE server's socket as it is reached from here (default: as the "
        "configuration says)",
    )
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--apply", action="store_true", help="do it, step by step")
    doing.add_argument("--undo", action="store_true", help="go back to what was")
    parser.add_argument(
        "--unwatched",
        action="store_true",
        help="do it though the SPIRE server cannot be reached from here, so that no entry is "
        "watched",
    )
    add_limit_flag(parser, default=5)
    add_yes_flag(parser)
    add_timeout(parser, "5m")
    add_output_flag(parser, meaning="what was found, and what is done")
    add_cluster_flags(parser, meaning="the cluster's (default: as kubectl finds one)")
    parser.set_defaults(main=main, parser=parser)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if arguments.output_dir is None:
        arguments.output_dir = Path(f"migrate-{arguments.peer}")
    if arguments.apply and not arguments.image:
        arguments.parser.error("--apply needs --image IMAGE, the image of spire-registrar")
    code = EXIT_CONFIGURATION
    try:
        code = asyncio.run(_migrate(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    except* KeyboardInterrupt:
        code = EXIT_FAILED
        print(
            "spire-registrar: interrupted: repeat it to go on, or go back by --undo",
            file=sys.stderr,
        )
    return code


def _migrate(arguments: argparse.Namespace) -> "Coroutine[None, None, int]":
    # Only here: the other commands need not carry all of this.
    from manager.commands.migrating import migrate  # noqa: PLC0415

    return migrate(arguments)
