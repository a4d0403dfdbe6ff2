"""``spire-registrar wait``: for init containers, so that whatever comes first waits."""

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.names import USER_AGENT
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from topology.program import Exit

_MESSAGE = Path("/dev/termination-log")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "wait",
        help="wait for a ConfigMap's entry, an identity or a port",
        description="Wait until everything that the flags name is there. What is waited for, and "
        "why it is not there yet, is said in the log and in the container's termination message. "
        "Exit code 0 when all is there, 1 when it cannot be, 2 for a mistake in a flag, 4 when "
        "the time is over.",
    )
    parser.add_argument(
        "--configmap",
        action="append",
        default=[],
        metavar="NAMESPACE/NAME:KEY",
        help="an entry of a ConfigMap, followed by a watch; may be given several times",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the ConfigMap's entry to this file"
    )
    parser.add_argument(
        "--identity",
        action="append",
        type=Path,
        default=[],
        metavar="SOCKET",
        help="an X.509 SVID for the caller, from the Workload API at this socket",
    )
    parser.add_argument(
        "--tcp",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="somebody who accepts connections there",
    )
    add_timeout(parser, "0")
    parser.add_argument(
        "--termination-log",
        type=Path,
        default=_MESSAGE,
        metavar="FILE",
        help=f"where to leave what was waited for, if the file is there (default: {_MESSAGE})",
    )
    add_cluster_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    # Only here: the other commands need not carry all of this.
    from topology.program import run  # noqa: PLC0415

    if arguments.write is not None and len(arguments.configmap) != 1:
        print("spire-registrar: --write: name exactly one --configmap with it", file=sys.stderr)
        return EXIT_CONFIGURATION
    if not (arguments.configmap or arguments.identity or arguments.tcp):
        print(
            "spire-registrar: nothing to wait for: name a --configmap, an --identity or a --tcp",
            file=sys.stderr,
        )
        return EXIT_CONFIGURATION
    try:
        return run(_wait(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _wait(arguments: argparse.Namespace) -> "Exit":
    """Wait for all of it. Raises InvalidField for a flag, or a group of them."""
    from registrar.kube.session import connect  # noqa: PLC0415
    from topology import conditions as kinds  # noqa: PLC0415
    from topology.program import Exit  # noqa: PLC0415
    from topology.waiting import Condition, Report, all_met  # noqa: PLC0415

    entries = [kinds.parse_configmap(text, path="--configmap") for text in arguments.configmap]
    addresses = [kinds.parse_address(text, path="--tcp") for text in arguments.tcp]
    conditions: list[Condition] = [
        *(kinds.Given(socket) for socket in arguments.identity),
        *(kinds.Open(host, port) for host, port in addresses),
    ]
    async with AsyncExitStack() as stack:
        if entries:
            session = await stack.enter_async_context(
                connect(arguments.kubeconfig, user_agent=USER_AGENT, context=arguments.context)
            )
            conditions += [
                kinds.Published(session, key, entry, arguments.write) for key, entry in entries
            ]
        report = Report(lambda line: print(line, flush=True), arguments.termination_log)
        met = await all_met(conditions, report, timeout_seconds=arguments.timeout)
    return Exit.DONE if met else Exit.TIME_LIMIT
