"""A peer's file and arguments as our registrar takes them in its Pod, by the code of ``check``."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from manager.commands.check import problems_of
from manager.commands.configuration import add_config_flags, examined
from manager.commands.originals import as_ours
from registrar.settings.model import Settings


class Understood(NamedTuple):
    """``settings`` is None where there are ``problems``."""

    settings: Settings | None
    tool: str
    problems: list[str]
    warnings: list[str]


def understood(file: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> Understood:
    """How a file in the folder is understood, with the arguments and variables of a container."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_config_flags(parser)
    wrong: list[str] = []
    given = as_ours(list(arguments), ())
    given = given[1:] if given[:1] == ["run"] else given
    try:
        parsed, unknown = parser.parse_known_args(given)
    except argparse.ArgumentError as error:
        parsed, unknown = parser.parse_args([]), []
        wrong.append(f"argument of the container: {error}")
    wrong += [
        f"argument {word!r} of the container is not known: take it out of args" for word in unknown
    ]
    parsed.config = file
    found = examined(parsed, environment=environment)
    problems = [*wrong, *map(str, problems_of(found, file))]
    return Understood(
        None if problems else found.settings,
        found.origin.tool,
        problems,
        [*found.warnings],
    )
