"""What the commands that read a configuration file share: its flag, loading it, its errors."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_context_flag
from manager.commands.originals import (
    add_original_flags,
    boolean,
    original_fallbacks,
    original_overrides,
    original_warnings,
)
from registrar.errors import printable
from registrar.settings.flags import add_flags, overrides_of
from registrar.settings.model import Settings
from registrar.settings.problems import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from registrar.settings.load import Examined

DEFAULTS = (Path("spire-k8s-registrar.conf"), Path("k8s-workload-registrar.conf"))
"""The file, when none is named: the first that there is."""

EXIT_CONFIGURATION = 2


def add_config_flags(
    parser: argparse.ArgumentParser,
    *,
    meaning: str = f"configuration file (default: {DEFAULTS[0]}, else {DEFAULTS[1]})",
) -> None:
    """The file, with that meaning, and a flag for each of its keys."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=meaning,
    )
    parser.add_argument(
        "--expand-env",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="BOOLEAN",
        help="replace $NAME and ${NAME} in the file by environment variables",
    )
    add_context_flag(parser)
    add_flags(parser)
    add_original_flags(parser)


def path_of(arguments: argparse.Namespace) -> Path:
    """The file that is named, else the first of the default ones that there is."""
    named: Path | None = arguments.config
    return named or next((path for path in DEFAULTS if path.exists()), DEFAULTS[0])


def examined(
    arguments: argparse.Namespace, *, environment: Mapping[str, str] | None = None
) -> "Examined":
    """The file with the flags, and everything that can be said of both.

    ``environment`` are the variables, by default those of this process.
    """
    # Only here: the node driver has a file of its own, and need not carry the other three.
    from registrar.settings.load import examine  # noqa: PLC0415

    found = examine(
        path_of(arguments),
        overrides={**original_overrides(arguments), **overrides_of(arguments)},
        fallbacks=original_fallbacks(arguments),
        expand_env=arguments.expand_env,
        environment=environment,
    )
    return replace(found, warnings=(*original_warnings(arguments), *found.warnings))


def settings_of(arguments: argparse.Namespace) -> Settings | None:
    """The settings, or None after every mistake in them was printed."""
    arguments.config = path_of(arguments)
    found = examined(arguments)
    say(found.problems, found.warnings, arguments.config)
    try:
        return replace(found.usable(), context=arguments.context)
    except ConfigError:
        return None


def say(problems: Iterable[ConfigProblem], warnings: Iterable[str], path: Path) -> None:
    """Print every mistake in a file, and every warning."""
    for problem in problems:
        print(f"spire-registrar: {problem}", file=sys.stderr)
    for warning in warnings:
        print(f"spire-registrar: {path}: warning: {printable(warning)}", file=sys.stderr)


def say_problems(error: ConfigError) -> None:
    """Print every mistake in a file."""
    for problem in error.problems:
        print(f"spire-registrar: {problem}", file=sys.stderr)
