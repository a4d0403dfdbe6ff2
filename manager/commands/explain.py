"""``spire-registrar explain``: why somebody has an identity, or has none."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_namespace_flag
from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.output import Page, add_output_flag, as_document, only_unexpected
from registrar.errors import InvalidField, flat

if TYPE_CHECKING:
    from manager.explain.model import Explanation

EXIT_NONE = 1
EXIT_UNKNOWN = 3
_CODES: dict[bool | None, int] = {True: 0, False: EXIT_NONE, None: EXIT_UNKNOWN}


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
    add_output_flag(parser, meaning="as people read it")
    add_namespace_flag(parser)
    add_timeout(parser, "1m")
    add_config_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    # Only here: the other commands need not carry all of this.
    from manager.explain.explain import explain, unexplained  # noqa: PLC0415
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
        with only_unexpected():
            explanation = asyncio.run(
                explain(
                    settings,
                    subject,
                    namespace=arguments.registrar_namespace,
                    deadline_seconds=arguments.timeout,
                )
            )
    except* InvalidField as errors:
        say_errors(errors)
        code = EXIT_CONFIGURATION
    except* CannotPreview as errors:
        found = unexplained(subject, [one for cannot in flat(errors) for one in cannot.unread])
        for line in found.unknown:
            print(f"spire-registrar: {line}", file=sys.stderr)
        if arguments.output != "table":
            _show(found, arguments.output)
        code = EXIT_UNKNOWN
    else:
        _show(explanation, arguments.output)
        code = _CODES[explanation.has_identity]
    return code


def _show(explanation: "Explanation", output: str) -> None:
    from manager.commands.explaintext import write  # noqa: PLC0415
    from manager.explain.document import document_of  # noqa: PLC0415

    if output == "table":
        write(explanation, Page.of())
    else:
        sys.stdout.write(as_document(document_of(explanation), output))
