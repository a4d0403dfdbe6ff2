"""The flags that the commands for topologies have in common, and what a test is told of them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.durations import parse_duration

if TYPE_CHECKING:
    from topology.modules import Module, Modules

SOAKED = "federated"
"""The module that has a soak."""


def add_prefix(parser: argparse.ArgumentParser) -> None:
    """Add ``--namespace-prefix``."""
    parser.add_argument(
        "--namespace-prefix",
        default="",
        metavar="PREFIX",
        help="begin the names of namespaces, classes and folders with this, as in team-a-",
    )


def add_components(parser: argparse.ArgumentParser) -> None:
    """Add ``--component``."""
    parser.add_argument(
        "--component",
        action="append",
        default=[],
        metavar="NAME",
        help="with this one of deploy/components; may be given several times",
    )


def add_soak(parser: argparse.ArgumentParser) -> None:
    """Add ``--soak``; its value is seconds."""
    parser.add_argument(
        "--soak",
        type=_seconds,
        default=0.0,
        metavar="DURATION",
        help="afterwards let the federated module take a new token each second for so long",
    )


def modules_of(arguments: argparse.Namespace) -> "Modules":
    """The modules under the prefix. Raises InvalidField."""
    from topology.modules import Modules  # noqa: PLC0415
    from topology.naming import parse_prefix  # noqa: PLC0415

    return Modules(parse_prefix(arguments.namespace_prefix, path="--namespace-prefix"))


def passed_on(
    arguments: argparse.Namespace, module: "Module", components: Sequence[str]
) -> list[str]:
    """What the check of a module, inside of its Pod, must know of these flags."""
    told = [f"--component={name}" for name in components]
    if arguments.namespace_prefix:
        told.append(f"--namespace-prefix={arguments.namespace_prefix}")
    if arguments.soak and module.name == SOAKED:
        told.append(f"--soak={arguments.soak:g}s")
    return told


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text) / 1e9
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}: write one such as 10m") from error
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a duration such as 10m")
    return seconds
