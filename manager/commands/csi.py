"""``spire-registrar csi``: the node driver that puts SVIDs into Pods as files."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION, say_problems
from manager.commands.lifecycle import Runnable, run_until_stopped
from registrar.settings.csi import CSISettings, load_csi
from registrar.settings.problems import ConfigError

DEFAULT = Path("csi.conf")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "csi",
        help="put SVIDs into Pods as files, on this node",
        description="Run the csi.spire.io node driver until stopped. Exit code 2 for a mistake in "
        "the configuration.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT,
        metavar="FILE",
        help=f"configuration file (default: {DEFAULT})",
    )
    parser.add_argument(
        "--check", action="store_true", help="say whether the file is right, and do nothing else"
    )
    add_cluster_flags(parser, meaning="overrides the file's key of that name")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = _settings_of(arguments.config)
    if settings is None:
        return EXIT_CONFIGURATION
    settings = replace(
        settings,
        kubeconfig=arguments.kubeconfig or settings.kubeconfig,
        context=arguments.context,
    )
    if arguments.check:
        print(f"{arguments.config}: right")
        return 0
    return run_until_stopped(
        lambda: _process(settings),
        level=settings.log_level,
        log_format=settings.log_format,
        log_path=settings.log_path,
    )


def _process(settings: CSISettings) -> Runnable:
    if settings.kubeconfig is None and "KUBECONFIG" not in os.environ and not settings.context:
        # aiohttp reads the system's CAs when it is imported, 2 MB on every node. In a cluster
        # none but the cluster's own CA counts.
        os.environ["SSL_CERT_FILE"] = os.devnull
    # Only here: the other commands need not carry all of this.
    from manager.csiprocess import CSIProcess  # noqa: PLC0415

    return CSIProcess(settings)


def _settings_of(path: Path) -> CSISettings | None:
    """The settings, or None after every mistake in them was printed."""
    try:
        return load_csi(path)
    except ConfigError as error:
        say_problems(error)
        return None
