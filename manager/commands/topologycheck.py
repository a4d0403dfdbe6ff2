"""``spire-registrar topology check``: what the Job of a module's test runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.commands.topologyflags import (
    SOAKED,
    add_components,
    add_prefix,
    add_soak,
    modules_of,
)
from manager.names import USER_AGENT
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from topology.checks.check import Verdict
    from topology.program import Exit


def add_parser(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = actions.add_parser(
        "check",
        help="look from inside of a Pod whether a module is well (its test runs this)",
        description="Look whether a module is well, in a Pod that has an identity from each of its "
        "agents. A line for each thing looked at. Exit code 0 when all is well, 1 when not, 2 for "
        "a mistake in a flag.",
    )
    parser.add_argument("module", metavar="MODULE", help="nested, for one")
    parser.add_argument(
        "--sockets",
        type=Path,
        default=Path("/run/spire-topology"),
        metavar="DIR",
        help="where each server's agents have a folder (default: /run/spire-topology)",
    )
    add_timeout(parser, "5m")
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="json: an object a line"
    )
    add_components(parser)
    add_soak(parser)
    add_prefix(parser)
    add_cluster_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    # Only here: the other commands need not carry all of this.
    from topology.program import run  # noqa: PLC0415

    try:
        return run(_check(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _check(arguments: argparse.Namespace) -> "Exit":
    from registrar.kube.session import connect  # noqa: PLC0415
    from topology.checks.run import Asked, run_checks  # noqa: PLC0415
    from topology.components import choose  # noqa: PLC0415
    from topology.modules import ALL  # noqa: PLC0415
    from topology.program import Exit  # noqa: PLC0415
    from topology.reader import Reader  # noqa: PLC0415
    from workloads.visits import visit  # noqa: PLC0415

    if arguments.module == ALL:
        raise InvalidField("MODULE", ALL, "name one module: each has a test of its own")
    (module,) = modules_of(arguments).named([arguments.module], path="MODULE")
    choose(arguments.component, [module], path="--component")
    if arguments.soak and module.name != SOAKED:
        raise InvalidField("--soak", f"{arguments.soak:g}s", f"it is of the module {SOAKED} alone")
    show = _show_json if arguments.output == "json" else _show
    all_good = True
    async with connect(
        arguments.kubeconfig, user_agent=USER_AGENT, context=arguments.context
    ) as session:
        verdicts = run_checks(
            module,
            Reader(session),
            Asked(
                sockets=arguments.sockets,
                ready_seconds=arguments.timeout or float("inf"),
                components=frozenset(arguments.component),
                soak_seconds=arguments.soak,
                visitor=visit,
            ),
            say=lambda line: print(line, flush=True),
        )
        async for verdict in verdicts:
            show(verdict)
            all_good = all_good and verdict.is_good
    return Exit.DONE if all_good else Exit.FAILED


def _show(verdict: "Verdict") -> None:
    word = "ok  " if verdict.is_good else "FAIL"
    why = f": {verdict.why}" if verdict.why else ""
    print(f"{word} {verdict.seconds:5.1f} s  {verdict.sentence}{why}", flush=True)


def _show_json(verdict: "Verdict") -> None:
    from api.codec import encode  # noqa: PLC0415

    print(
        encode(
            {
                "check": verdict.sentence,
                "ok": verdict.is_good,
                "why": verdict.why,
                "seconds": round(verdict.seconds, 1),
            }
        ).decode(),
        flush=True,
    )
