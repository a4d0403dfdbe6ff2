"""The flags that say which cluster a command works with; every command names them alike."""

import argparse
from pathlib import Path


def add_cluster_flags(parser: argparse.ArgumentParser, *, meaning: str = "as for run") -> None:
    """Add ``--kubeconfig``, with that meaning, and ``--context``."""
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help=meaning)
    add_context_flag(parser)


def add_context_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--context`` alone, where the kubeconfig is a setting."""
    parser.add_argument(
        "--context", default="", metavar="NAME", help="the kubeconfig's context to use"
    )


def add_namespace_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--registrar-namespace``, for commands that play a registrar's start."""
    parser.add_argument(
        "--registrar-namespace",
        metavar="NAMESPACE",
        help="the namespace that the registrar runs in (default: what the one that runs says, else "
        "that of its Lease in the configuration, else that of this Pod)",
    )
