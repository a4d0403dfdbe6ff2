"""The command line ``spire-registrar``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from manager.commands import check, csi, dev, generate_config, run

_BARE = frozenset({"--config", "-config", "--expand-env", "-expand-env"})
"""Flags that begin the command line of a tool without subcommands."""


def parser() -> argparse.ArgumentParser:
    """The parser with every subcommand; each sets ``main``, the function to call."""
    top = argparse.ArgumentParser(
        prog="spire-registrar",
        description="Kubernetes workload identities: keeps a SPIRE server's registration entries "
        "right.",
    )
    top.add_argument("--version", action="version", version=version("spire-registrar"))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, csi, check, dev, generate_config):
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0].partition("=")[0] in _BARE:
        # The tools that we replace have no subcommands: their arguments mean to run.
        given.insert(0, "run")
    parsed = parser().parse_args(given)
    code: int = parsed.main(parsed)
    return code


if __name__ == "__main__":
    sys.exit(main())
