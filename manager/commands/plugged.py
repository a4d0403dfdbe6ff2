"""Commands that another distribution brings, and what is said where it is not installed.

``dev`` plays on embedded servers, which do not belong into a production image. Its distribution,
``devcluster/pyproject.toml``, names its module under an entry point; called by ``manager.cli``.
"""

import argparse
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol

GROUP = "spire_registrar.commands"
"""The group of entry points. Each has the name of a command and leads to its module."""

ABSENT = {
    name: f"spire-registrar {name}: the demo and its embedded servers are not installed; "
    "pip install 'spire-registrar[devcluster]' brings them, and `make demo` in a checkout runs them"
    for name in ("demo", "dev")
}
"""What is said to each command of the demo where its distribution is missing."""


class Command(Protocol):
    """A module that adds one subcommand, whose ``main`` is the function to call."""

    def add_parser(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add the subcommand."""
        ...


def plugged() -> Mapping[str, Command]:
    """The modules of the commands that other installed distributions bring, by entry point."""
    return {point.name: point.load() for point in entry_points(group=GROUP)}
