"""The command line ``spire-registrar``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from manager.commands import check, csi, dev, generate_config, run, topology, wait
from manager.commands.configuration import DEFAULTS
from manager.commands.originals import as_ours


def parser() -> argparse.ArgumentParser:
    """The parser with every subcommand; each sets ``main``, the function to call."""
    top = argparse.ArgumentParser(
        prog="spire-registrar",
        description="Kubernetes workload identities: keeps a SPIRE server's registration entries "
        "right.",
    )
    top.add_argument("--version", action="version", version=version("spire-registrar"))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, csi, check, dev, generate_config, wait, topology):
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = as_ours(sys.argv[1:] if arguments is None else arguments, DEFAULTS)
    parsed = parser().parse_args(given)
    code: int = parsed.main(parsed)
    return code


if __name__ == "__main__":
    sys.exit(main())
