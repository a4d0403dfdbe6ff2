"""``spire-registrar doctor``: look at all that a registrar depends on, and change nothing."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.lifecycle import say_errors
from manager.output import Page, add_output_flag, as_document
from registrar.errors import InvalidField
from registrar.settings.model import Settings

if TYPE_CHECKING:
    from manager.doctor.finding import Finding

EXIT_ERRORS = 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="look at everything that a registrar depends on",
        description="Look at the API server, the SPIRE server, what lies between them and the "
        "registrar that runs, and say of each thing whether it is right, what it means where it "
        "is not, and what to do. Nothing is changed: only access reviews are sent, which the API "
        "server does not store. What cannot be looked at is said, and stops nothing else.",
        epilog="Exit code 0: no errors, though there may be warnings. 1: errors. 2: the "
        "configuration or a flag is wrong, and nothing was looked at.",
    )
    add_output_flag(parser, meaning="a line for each thing")
    parser.add_argument(
        "--service-account",
        type=_account,
        metavar="NAMESPACE/NAME",
        help="whose rights to ask about: the registrar's service account (default: those of "
        "whoever runs this)",
    )
    parser.add_argument(
        "--metrics",
        default="",
        metavar="URL",
        help="where the running registrar's metrics are (default: asked of the leader's Pod "
        "through the API server, else of this machine)",
    )
    add_config_flags(parser)
    parser.set_defaults(main=main)


def _account(text: str) -> str:
    namespace, slash, name = text.partition("/")
    if not namespace or not slash or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAMESPACE/NAME")
    return text


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    try:
        return asyncio.run(_examine(settings, arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _examine(settings: Settings, arguments: argparse.Namespace) -> int:
    """Look, and show what was found; gives the exit code. Raises InvalidField."""
    # Only here: the other commands need not carry all of this.
    from manager.doctor.checks import IN_CLUSTER, WITHOUT_CLUSTER  # noqa: PLC0415
    from manager.doctor.examination import examine  # noqa: PLC0415
    from manager.doctor.finding import Level  # noqa: PLC0415
    from manager.doctor.report import Table, document  # noqa: PLC0415
    from manager.doctor.world import opened  # noqa: PLC0415
    from manager.modes.choice import own_namespace_or_none  # noqa: PLC0415

    namespace = await asyncio.to_thread(own_namespace_or_none)
    table = Table(Page.of())
    found: list[tuple[str, Finding]] = []
    async with opened(
        settings,
        namespace=namespace,
        account=arguments.service_account or "",
        metrics_url=arguments.metrics,
    ) as world:
        checks = IN_CLUSTER if world.has_cluster else WITHOUT_CLUSTER
        async for group, finding in examine(checks, world):
            found.append((group, finding))
            if arguments.output == "table":
                table.add(group, finding)
    if arguments.output == "table":
        table.end()
    else:
        print(as_document(document(found, mode=settings.mode), arguments.output), end="")
    return EXIT_ERRORS if any(f.level is Level.ERROR for _, f in found) else 0
