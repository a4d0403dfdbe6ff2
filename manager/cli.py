"""The command line ``spire-registrar``."""

import argparse
import os
import select
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from manager.commands import (
    check,
    cleanup,
    completion,
    csi,
    doctor,
    explain,
    generate_config,
    migrate,
    plan,
    render,
    run,
    top,
    topology,
    wait,
)
from manager.commands.configuration import DEFAULTS
from manager.commands.originals import as_ours
from manager.commands.plugged import ABSENT, Command, plugged

_OWN: dict[str, Command] = {
    "run": run,
    "csi": csi,
    "check": check,
    "plan": plan,
    "explain": explain,
    "doctor": doctor,
    "top": top,
    "render": render,
    "migrate": migrate,
    "cleanup": cleanup,
    "generate-config": generate_config,
    "wait": wait,
    "topology": topology,
    "completion": completion,
}

_READER_HAS_GONE = 128 + signal.SIGPIPE
"""The exit code that shells know from programs that end by this signal."""


def parser(plugs: Iterable[Command] = ()) -> argparse.ArgumentParser:
    """The parser with our subcommands and plugs; each sets ``main``, the function to call."""
    top = argparse.ArgumentParser(
        prog=_name(),
        description="Kubernetes workload identities: keeps a SPIRE server's registration entries "
        "right.",
    )
    top.add_argument("--version", action="version", version=version("spire-registrar"))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (*_OWN.values(), *plugs):
        module.add_parser(commands)
    return top


def _name() -> str:
    """What people call this program: as a plugin of kubectl ``kubectl spire``."""
    is_plugin = Path(sys.argv[0]).name == "kubectl-spire"
    return "kubectl spire" if is_plugin else "spire-registrar"


def complete() -> int:
    """Answer kubectl, which asks while somebody types ``kubectl spire …``."""
    return completion.answer(parser(plugged().values()), sys.argv[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    with _quiet_once_nobody_reads():
        words = sys.argv[1:] if arguments is None else arguments
        if words and words[0] == completion.WORD:
            return completion.answer(parser(plugged().values()), words[1:])
        given = as_ours(words, DEFAULTS)
        # A registrar that starts has no use for another distribution, nor for what may be wrong
        # in it.
        plugs = {} if given and given[0] in _OWN else plugged()
        if given and given[0] in ABSENT and ABSENT.keys().isdisjoint(plugs):
            sys.stderr.write(f"{ABSENT[given[0]]}\n")
            return 2
        parsed = parser(plugs.values()).parse_args(given)
        code: int = parsed.main(parsed)
        return code


@contextmanager
def _quiet_once_nobody_reads() -> Iterator[None]:
    """End without a word where the reader has had enough, as after ``| head``."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _has_reader_gone():
            raise
        sys.exit(_READER_HAS_GONE)


def _has_reader_gone() -> bool:
    """Tell whether nobody reads what we write; if so, what is left goes nowhere."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    # Asked for nothing, poll tells of the other end alone.
    if not poll.poll(0):
        return False
    # The interpreter would try once more at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


if __name__ == "__main__":
    sys.exit(main())
