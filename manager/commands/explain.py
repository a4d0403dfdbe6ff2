"""``spire-registrar explain``: why somebody has an identity, or has none."""

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from api.documents import dump_yaml
from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.lifecycle import say_errors
from registrar.errors import InvalidField, printable
from registrar.settings.model import Settings

if TYPE_CHECKING:
    from manager.explain.model import Explanation
    from manager.explain.subjects import Subject

EXIT_NONE = 1
EXIT_UNKNOWN = 3
FORMATS = ("table", "json", "yaml")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "explain",
        help="say why a Pod has an identity, or has none",
        description="Say which identities a Pod has, from which objects, and whether an agent "
        "serves them; for each object that gives it nothing the first condition that fails, with "
        "both values and what to do. It plays the start of a registrar with this configuration, "
        "by the registrar's own rules, and writes nothing, to neither server. It reads what the "
        "registrar reads, and besides the Pod, Events and the SPIRE server's agents.",
        epilog="Exit code 0: it has an identity (an object: all that it asks for is given). "
        "1: it has none, or not all. 2: a mistake in a flag, the subject or the configuration. "
        "3: it cannot be told, for a server is not reached or a right is missing, which is named.",
    )
    parser.add_argument(
        "subject",
        metavar="KIND/NAME",
        help="pod/NAME, spireentry/NAME, clusterspiffeid/NAME, spiffeid/NAME, "
        "clusterstaticentry/NAME, clusterfederatedtrustdomain/NAME, entry/ID or spiffe-id/ID",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        default="default",
        metavar="NAMESPACE",
        help="the namespace of a Pod or SpiffeID (default: default)",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=FORMATS,
        default="table",
        help="how to say it (default: table, as people read it)",
    )
    add_config_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    # Only here: the other commands need not carry all of this.
    from manager.explain.subjects import subject_of  # noqa: PLC0415
    from manager.preview.rehearsal import CannotPreview  # noqa: PLC0415

    try:
        subject = subject_of(
            arguments.subject,
            arguments.namespace,
            is_manager=settings.controller_manager is not None,
        )
    except InvalidField as error:
        print(f"spire-registrar: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    try:
        explanation = asyncio.run(_explain(settings, subject))
    except* InvalidField as errors:
        say_errors(errors)
        return EXIT_CONFIGURATION
    except* CannotPreview as errors:
        say_unread(errors)
        return EXIT_UNKNOWN
    _show(explanation, arguments.output)
    return 0 if explanation.has_identity else EXIT_NONE
