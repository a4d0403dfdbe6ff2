"""``spire-registrar cleanup``: take away what a registrar left that runs no more."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.confirmation import EXIT_REFUSED, add_yes_flag, is_agreed
from manager.commands.lifecycle import say_errors
from manager.names import USER_AGENT
from manager.output import Page, add_output_flag, as_document, counted
from registrar.errors import InvalidField, printable
from registrar.settings.flags import overrides_of

if TYPE_CHECKING:
    from manager.cleanup import Remains, Whose
    from registrar.kube.client import KubeClient
    from registrar.settings.model import Settings, SpireAddress
    from registrar.spire.entries import EntryClient

EXIT_FAILED = 1
_SHOWN = 20


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "cleanup",
        help="take away the entries that a registrar left which runs no more",
        description="Take away the entries on the SPIRE server that a registrar of this prefix, or "
        "with this configuration, made, and with --records its SpireEntries and Leases too. Name "
        "--config, with the flags that the registrar had, or --prefix with --server-socket-path: "
        "of the settings only that one and --kubeconfig count then. It is the SPIRE server's own "
        "socket here, also where the file has a server's address, unless --server-address is given "
        "too. What would go is shown first. "
        "An entry that somebody else made is never touched, nor one that the registrar had "
        "adopted. While a registrar runs with the prefix, or it cannot be seen whether one does, "
        "nothing is done without --force.",
        epilog="Exit code 0: it is gone, or there was nothing. "
        f"{EXIT_FAILED}: a server cannot be read, or something could not be deleted. "
        f"{EXIT_CONFIGURATION}: a flag or the configuration is wrong. {EXIT_REFUSED}: nobody "
        "agreed, or a registrar runs with the prefix; nothing more was deleted.",
    )
    parser.add_argument("--prefix", metavar="PREFIX", help="what the IDs of its entries begin with")
    parser.add_argument(
        "--registrar-namespace",
        default="",
        metavar="NAMESPACE",
        help="the namespace that it ran in, where the configuration does not say it",
    )
    parser.add_argument(
        "--records", action="store_true", help="its SpireEntries and Leases in the cluster too"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would go; nothing is asked"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="though a registrar runs with the prefix, which then makes its entries anew, or it "
        "cannot be seen whether one does",
    )
    add_yes_flag(parser)
    add_output_flag(parser, meaning="what goes, line by line")
    add_config_flags(parser, meaning="the registrar's configuration file; it or --prefix is needed")
    parser.set_defaults(main=main, parser=parser)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if (arguments.prefix is None) == (arguments.config is None):
        arguments.parser.error("name one of --prefix and --config")
    if arguments.prefix is not None and "server_socket_path" not in overrides_of(arguments):
        arguments.parser.error("--prefix needs --server-socket-path PATH")
    code = EXIT_CONFIGURATION
    try:
        code = asyncio.run(clean(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return code


async def clean(arguments: argparse.Namespace) -> int:
    """Look, ask, and take away; gives the exit code. Raises InvalidField."""
    # Only here: the other commands need not carry all of this.
    from manager.cleanup import Refused  # noqa: PLC0415
    from registrar.kube.errors import KubeError  # noqa: PLC0415
    from registrar.spire.errors import SpireError  # noqa: PLC0415

    settings = None
    if arguments.prefix is not None:
        _check(arguments.prefix)
    else:
        settings = await asyncio.to_thread(settings_of, arguments)
        if settings is None:
            return EXIT_CONFIGURATION
    try:
        async with _servers(arguments, settings) as (spire, kube):
            return await _cleaned(arguments, settings, spire, kube)
    except Refused as error:
        _complain(f"nothing more was deleted: {error}")
        return EXIT_REFUSED
    except SpireError as error:
        _complain(f"the SPIRE server: {error.message}")
    except KubeError as error:
        _complain(str(error))
    return EXIT_FAILED


def _check(prefix: str) -> None:
    """Raises InvalidField, by the flag, for a prefix that no registrar can have."""
    from registrar.claims.ownership import check_prefix  # noqa: PLC0415

    try:
        check_prefix(prefix)
    except InvalidField as error:
        raise InvalidField("--prefix", prefix, error.remedy) from error


async def _cleaned(
    arguments: argparse.Namespace,
    settings: "Settings | None",
    spire: "EntryClient",
    kube: "KubeClient | None",
) -> int:
    """Look, ask, and take away. Raises Refused, SpireError, KubeError and InvalidField."""
    from manager import cleanup  # noqa: PLC0415

    if settings is None:
        whose = cleanup.whose_prefix(arguments.prefix)
    else:
        whose = await cleanup.whose_configuration(
            settings, kube, namespace=arguments.registrar_namespace
        )
    remains = await cleanup.look(whose, spire, kube, with_records=arguments.records)
    why = await cleanup.alive(whose, kube)
    _show(arguments, whose, remains, why)
    if arguments.dry_run:
        return 0
    if why and not arguments.force:
        remedy = "stop it first, or say --force"
        raise cleanup.Refused(f"{why}: {remedy}")
    if remains.is_nothing:
        return 0
    question = f"Delete {_numbers(remains)}?"
    if not await asyncio.to_thread(is_agreed, question, is_given=arguments.yes):
        return EXIT_REFUSED
    failed = await cleanup.remove(whose, remains, spire, kube, is_forced=arguments.force)
    for each in failed:
        _complain(each)
    if failed:
        return EXIT_FAILED
    print(f"Deleted {_numbers(remains)}.", file=_talk(arguments))
    return 0


@asynccontextmanager
async def _servers(
    arguments: argparse.Namespace, settings: "Settings | None"
) -> "AsyncIterator[tuple[EntryClient, KubeClient | None]]":
    """Clients of both servers; no cluster's in static mode, which has none."""
    from registrar.kube.client import KubeClient  # noqa: PLC0415
    from registrar.kube.session import connect  # noqa: PLC0415
    from registrar.spire.connection import open_connection  # noqa: PLC0415
    from registrar.spire.entries import EntryClient  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        if settings is None:
            given = overrides_of(arguments).get("kubeconfig")
            kubeconfig, trust_domain = Path(given) if given else None, ""
        else:
            kubeconfig, trust_domain = settings.kubeconfig, settings.trust_domain
        connection = await stack.enter_async_context(
            open_connection(address_of(arguments, settings), trust_domain=trust_domain)
        )
        kube = None
        if settings is None or settings.mode != "static":
            session = await stack.enter_async_context(
                connect(kubeconfig, user_agent=USER_AGENT, context=arguments.context)
            )
            kube = KubeClient(session)
        yield EntryClient(connection), kube


def address_of(arguments: argparse.Namespace, settings: "Settings | None") -> "SpireAddress":
    """Where the SPIRE server is. A socket that is typed is the server's own, as for ``migrate``.

    Only beside a typed TCP address it is the Workload API's, as for ``run``. With ``settings``
    None it must be typed.
    """
    from registrar.settings.model import UnixAddress  # noqa: PLC0415
    from registrar.settings.values import without_scheme  # noqa: PLC0415

    given = overrides_of(arguments)
    socket = given.get("server_socket_path")
    if settings is not None and (not socket or given.get("server_address")):
        return settings.spire
    return UnixAddress(Path(without_scheme(socket or "")))


def _show(arguments: argparse.Namespace, whose: "Whose", remains: "Remains", why: str) -> None:
    """What would go."""
    if arguments.output != "table":
        sys.stdout.write(
            as_document(
                {
                    "prefix": whose.prefix,
                    "alive": printable(why),
                    "entries": [
                        {"id": printable(e.id), "spiffeId": printable(e.key.spiffe_id)}
                        for e in remains.entries
                    ],
                    "records": [record.metadata.name for record in remains.records],
                    "leases": [str(lease.key) for lease in remains.leases],
                    "foreignEntries": remains.foreign,
                    "adoptedEntries": remains.adopted,
                },
                arguments.output,
            )
        )
        return
    page = Page.of()
    page.line(f"Entry IDs that begin with {printable(whose.prefix)}:")
    for entry in remains.entries[:_SHOWN]:
        page.line(page.coloured(f"  - {entry.key.spiffe_id}  {entry.id}", "red"))
    if len(remains.entries) > _SHOWN:
        page.line(f"  … and {len(remains.entries) - _SHOWN} more")
    page.line(f"To delete: {_numbers(remains)}.")
    page.line(f"Never touched: {counted(remains.foreign, 'entry', 'entries')} of others.")
    if remains.adopted:
        adopted = counted(remains.adopted, "entry", "entries")
        page.line(f"Among them {adopted} that it had adopted, under the IDs of who made them.")


def _numbers(remains: "Remains") -> str:
    parts = [counted(len(remains.entries), "entry", "entries")]
    if remains.records:
        parts.append(counted(len(remains.records), "SpireEntry", "SpireEntries"))
    if remains.leases:
        parts.append(counted(len(remains.leases), "Lease"))
    return ", ".join(parts)


def _complain(text: str) -> None:
    print(f"spire-registrar: {printable(text)}", file=sys.stderr)


def _talk(arguments: argparse.Namespace) -> TextIO:
    """Where words go: a document stands alone on standard output."""
    return sys.stdout if arguments.output == "table" else sys.stderr
