"""A flag for every key, for the command lines that take a configuration file.

``--drift-interval 1m`` overrides ``drift_interval``; a boolean flag may stand
alone for true, a list is separated by commas.
"""

import argparse

from registrar.settings.keys import KEYS
from registrar.settings.kinds import Key

_PREFIX = "setting_"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags as a group of their own; the file's flag is the caller's."""
    group = parser.add_argument_group("settings", "each overrides the key of the same name")
    for key in KEYS:
        boolean = isinstance(key.default, bool)
        group.add_argument(
            key.flag,
            dest=_PREFIX + key.name,
            metavar=_metavar(key),
            help=_help(key),
            nargs="?" if boolean else None,
            const="true" if boolean else None,
        )


def overrides_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The flags that were given, for ``load``."""
    given = vars(arguments)
    return {
        key.name: str(given[_PREFIX + key.name])
        for key in KEYS
        if given.get(_PREFIX + key.name) is not None
    }


def _metavar(key: Key[object]) -> str:
    return "BOOLEAN" if isinstance(key.default, bool) else key.name.rsplit("_", 1)[-1].upper()


def _help(key: Key[object]) -> str:
    """The meaning in plain text; argparse takes a lone per cent sign for a format."""
    return key.meaning.replace("`", "").replace("%", "%%")
