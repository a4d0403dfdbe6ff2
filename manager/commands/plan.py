"""``spire-registrar plan``: what a configuration would change on the SPIRE server, and why."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from api.codec import JSONValue
from manager.collector import uncollected
from manager.commands.clusterflags import add_namespace_flag
from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.output import Page, add_output_flag, as_document, only_unexpected
from registrar.errors import InvalidField, flat

if TYPE_CHECKING:
    from manager.caches.cache import Unread
    from manager.preview.model import Outlook
    from registrar.settings.model import Settings

EXIT_UNREAD = 1
EXIT_CHANGE = 3
EXIT_DELETION = 4


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "plan",
        help="say what a configuration would change on the SPIRE server, and why",
        description="Say what a registrar with this configuration would create, update, delete and "
        "adopt on this SPIRE server for this cluster, and why; and what is in its way. The "
        "registrar's own start is played, to its end, without writing anything: not an entry, "
        "not an object, not an Event, no Lease is taken; a registrar that runs meanwhile is not "
        "disturbed. The cluster is the one of the configuration's kubeconfig, else kubectl's.",
        epilog=f"Exit code 0: the plan was made. {EXIT_UNREAD}: something cannot be read without "
        "which there is no plan; with a --fail-on flag anything else too that may not be read, for "
        f"it could hide a change. {EXIT_CONFIGURATION}: the "
        "configuration, a manifest or a flag is wrong. With --fail-on-change "
        f"{EXIT_CHANGE}: something would change. With --fail-on-delete {EXIT_DELETION}: something "
        "would be deleted, or would be if a person agreed; this code wins over the other.",
    )
    add_output_flag(parser, meaning="counts, then each change and why")
    parser.add_argument(
        "--fail-on-change",
        action="store_true",
        help=f"exit with {EXIT_CHANGE} when anything on the SPIRE server would change",
    )
    parser.add_argument(
        "--fail-on-delete",
        action="store_true",
        help=f"exit with {EXIT_DELETION} when an entry or a relationship would be deleted",
    )
    parser.add_argument(
        "--from-manifests",
        type=Path,
        metavar="DIR",
        help="take the objects of the registrar's kinds from the files below DIR, and none from "
        "the cluster; Pods, Nodes and Namespaces that files hold are added to the cluster's",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare with another configuration: what --config would leave otherwise than FILE",
    )
    parser.add_argument(
        "--all", action="store_true", help="show what stays as it is too, in every format"
    )
    add_limit_flag(parser, default=20)
    add_namespace_flag(parser)
    add_timeout(parser, "5m")
    add_config_flags(parser)
    parser.set_defaults(main=main, parser=parser)


def add_limit_flag(parser: argparse.ArgumentParser, *, default: int) -> None:
    """Add ``--limit``: how much of a plan a reader sees."""
    parser.add_argument(
        "--limit",
        type=_number,
        default=default,
        metavar="N",
        help=f"show at most N entries of each action in the table; 0 is all (default: {default})",
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 0")
    return int(text)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    # Only here: the other commands need not carry all of this.
    from manager.preview.rehearsal import CannotPreview  # noqa: PLC0415

    settings, against = settings_of(arguments), None
    if arguments.against is not None:
        against = settings_of(
            argparse.Namespace(**{**vars(arguments), "config": arguments.against})
        )
    if settings is None or (arguments.against is not None and against is None):
        return EXIT_CONFIGURATION
    code = EXIT_CONFIGURATION
    try:
        with only_unexpected(), uncollected():
            outlook = asyncio.run(_outlook(arguments, settings, against))
        _say(arguments, outlook)
        code = _exit_code(arguments, outlook)
    except* InvalidField as errors:
        say_errors(errors)
    except* CannotPreview as errors:
        code = EXIT_UNREAD
        _say_unread(arguments, [unread for error in flat(errors) for unread in error.unread])
    return code


async def _outlook(
    arguments: argparse.Namespace, settings: "Settings", against: "Settings | None"
) -> "Outlook":
    """Play the start. Raises InvalidField and CannotPreview, maybe in a group."""
    from manager.preview.manifests import read_manifests  # noqa: PLC0415
    from manager.preview.rehearsal import rehearsed  # noqa: PLC0415
    from manager.preview.versus import versus  # noqa: PLC0415

    manifests = None
    if arguments.from_manifests is not None:
        manifests = await asyncio.to_thread(read_manifests, arguments.from_manifests)
    play = partial(
        rehearsed,
        namespace=arguments.registrar_namespace,
        manifests=manifests,
        deadline_seconds=arguments.timeout,
    )
    async with play(settings) as preview:
        if against is None:
            return preview.outlook
        async with play(against) as old:
            return versus(old, preview)


def _say(arguments: argparse.Namespace, outlook: "Outlook") -> None:
    from manager.commands.plandocument import document_of  # noqa: PLC0415
    from manager.commands.planpage import show  # noqa: PLC0415

    if arguments.output == "table":
        page = Page.of()
        if arguments.against is not None:
            new, old = arguments.config, arguments.against
            page.line(f"What {new} would leave otherwise than {old}:")
        show(outlook, page, limit=arguments.limit, shows_kept=arguments.all)
    else:
        sys.stdout.write(
            as_document(document_of(outlook, shows_kept=arguments.all), arguments.output)
        )


def _say_unread(arguments: argparse.Namespace, unread: "Sequence[Unread]") -> None:
    from manager.commands.plandocument import unread_document  # noqa: PLC0415
    from manager.commands.planpage import show_unread  # noqa: PLC0415

    if arguments.output != "table":
        document: JSONValue = {"unread": unread_document(unread)}
        sys.stdout.write(as_document(document, arguments.output))
    page = Page.of(sys.stderr)
    page.line("spire-registrar: there is no plan, for what it needs cannot be read")
    show_unread(unread, page)


def _exit_code(arguments: argparse.Namespace, outlook: "Outlook") -> int:
    if arguments.fail_on_delete and outlook.has_deletions:
        return EXIT_DELETION
    if arguments.fail_on_change and outlook.has_changes:
        return EXIT_CHANGE
    if arguments.fail_on_delete or arguments.fail_on_change:
        # What may not be read could hide a change.
        return EXIT_UNREAD if any(not u.is_missing for u in outlook.unread) else 0
    return 0
