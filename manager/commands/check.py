"""``spire-registrar check``: say whether a configuration file is right, and do nothing else."""

import argparse
import sys

from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from registrar.errors import InvalidField


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="check a configuration file",
        description="Check a configuration file: exit code 0 when it is right, with the tool and "
        "the mode that it is for, 2 with every mistake and its line when not.",
    )
    add_config_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    # Only here: the other commands need not carry all of this.
    from manager.modes.choice import mode_of  # noqa: PLC0415

    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    try:
        # The file can be right anywhere, not only in the Pod that it is for.
        mode_of(settings, namespace="default")
    except InvalidField as error:
        print(f"spire-registrar: {arguments.config}: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    print(f"{arguments.config}: right")
    print(f"{arguments.config}: {settings.origin}")
    return 0
