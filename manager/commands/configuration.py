"""What the commands that read a configuration file share: its flag, loading it, its errors."""

import argparse
import sys
from pathlib import Path

from registrar.settings.flags import add_flags, overrides_of
from registrar.settings.load import load
from registrar.settings.model import Settings
from registrar.settings.problems import ConfigError

DEFAULT = Path("spire-k8s-registrar.conf")
EXIT_CONFIGURATION = 2


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """The file, and a flag for each of its keys."""
    parser.add_argument(
        "--config",
        "-config",
        type=Path,
        default=DEFAULT,
        metavar="FILE",
        help=f"configuration file (default: {DEFAULT})",
    )
    add_flags(parser)


def settings_of(arguments: argparse.Namespace) -> Settings | None:
    """The settings, or None after every mistake in them was printed."""
    try:
        return load(arguments.config, overrides=overrides_of(arguments))
    except ConfigError as error:
        for problem in error.problems:
            print(f"spire-registrar: {problem}", file=sys.stderr)
        return None
