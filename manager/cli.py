"""The command line ``spire-registrar``."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from manager.commands import check, csi, explain, generate_config, plan, run, topology, wait
from manager.commands.configuration import DEFAULTS
from manager.commands.originals import as_ours
from manager.commands.plugged import ABSENT, Command, plugged

_OWN: dict[str, Command] = {
    "run": run,
    "csi": csi,
    "check": check,
    "plan": plan,
    "explain": explain,
    "generate-config": generate_config,
    "wait": wait,
    "topology": topology,
}


def parser(plugs: Iterable[Command] = ()) -> argparse.ArgumentParser:
    """The parser with our subcommands and plugs; each sets ``main``, the function to call."""
    top = argparse.ArgumentParser(
        prog="spire-registrar",
        description="Kubernetes workload identities: keeps a SPIRE server's registration entries "
        "right.",
    )
    top.add_argument("--version", action="version", version=version("spire-registrar"))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (*_OWN.values(), *plugs):
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = as_ours(sys.argv[1:] if arguments is None else arguments, DEFAULTS)
    # A registrar that starts has no use for another distribution, nor for what may be wrong in it.
    plugs = {} if given and given[0] in _OWN else plugged()
    if given and given[0] in ABSENT and ABSENT.keys().isdisjoint(plugs):
        sys.stderr.write(f"{ABSENT[given[0]]}\n")
        return 2
    parsed = parser(plugs.values()).parse_args(given)
    code: int = parsed.main(parsed)
    return code


if __name__ == "__main__":
    sys.exit(main())
