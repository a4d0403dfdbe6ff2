"""``spire-registrar top``: what a running registrar does, live in a terminal."""

import argparse
import asyncio
import sys
from importlib.util import find_spec

from api.durations import parse_duration
from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import say_errors
from manager.output import Page, add_output_flag, as_document, only_unexpected
from registrar.errors import InvalidField

EXIT_GONE = 1
_DEFAULT = "http://localhost:8080/metrics"
ABSENT = (
    "spire-registrar top: the live view needs textual, which is not installed: "
    "pip install 'spire-registrar[top]' brings it; --once works without"
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "top",
        help="show live what a running registrar does",
        description="Show entries by state, queues, how long Pods wait for their entries, and "
        "calls to the SPIRE server, by looking at the registrar's metrics again and again; with "
        "--kubeconfig or --context the newest changes and failures besides, by watching the "
        "SpireEntries. A registrar that goes away is waited for. Keys: q ends it, p pauses, r "
        "looks at once, Tab and the arrows move.",
        epilog="Through the API server: kubectl port-forward -n NAMESPACE deploy/spire-registrar "
        "8080. Exit code 0: ended by its reader; with --once: the metrics were read. 1: with "
        "--once, they were not. 2: a mistake in a flag, or textual is not installed.",
    )
    parser.add_argument(
        "--url",
        default=_DEFAULT,
        metavar="URL",
        help=f"where the registrar's metrics are (default: {_DEFAULT})",
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        default="2s",
        metavar="DURATION",
        help="the time between two looks, such as 500ms or 10s (default: 2s)",
    )
    parser.add_argument(
        "--once", action="store_true", help="write what there is now, and end; for pipes"
    )
    add_output_flag(parser, meaning="tables; json and yaml go with --once")
    add_cluster_flags(parser, meaning="the cluster whose SpireEntries are watched")
    parser.set_defaults(main=main)


def _interval(text: str) -> float:
    try:
        seconds = parse_duration(text) / 1e9
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}: write one such as 2s") from error
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: write a duration from 100ms to 1h")
    return seconds


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if arguments.output != "table" and not arguments.once:
        print("spire-registrar: -o json and yaml go with --once", file=sys.stderr)
        return EXIT_CONFIGURATION
    if not arguments.once and find_spec("textual") is None:
        print(ABSENT, file=sys.stderr)
        return EXIT_CONFIGURATION
    try:
        with only_unexpected():
            return asyncio.run(_once(arguments) if arguments.once else _live(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _once(arguments: argparse.Namespace) -> int:
    # Only here: the other commands need not carry all of this.
    from manager.top.frame import document_of  # noqa: PLC0415
    from manager.top.scrape import url_of  # noqa: PLC0415
    from manager.top.text import write  # noqa: PLC0415
    from manager.top.watching import watching  # noqa: PLC0415

    url = url_of(arguments.url)
    async with watching(url, arguments.kubeconfig, arguments.context) as seen:
        await seen.records_are_read()
        frame = await seen.look()
    if arguments.output == "table":
        write(frame, Page.of())
    else:
        sys.stdout.write(as_document(document_of(frame), arguments.output))
    if frame.problem:
        print(f"spire-registrar: {frame.problem}", file=sys.stderr)
    return EXIT_GONE if frame.problem else 0


async def _live(arguments: argparse.Namespace) -> int:
    from manager.top.app import Top  # noqa: PLC0415
    from manager.top.scrape import url_of  # noqa: PLC0415
    from manager.top.watching import watching  # noqa: PLC0415

    url = url_of(arguments.url)
    async with watching(url, arguments.kubeconfig, arguments.context) as seen:
        await Top(seen.look, interval_seconds=arguments.interval).run_async()
    return 0
