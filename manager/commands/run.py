"""``spire-registrar run``: the controller itself."""

import argparse
import asyncio
import logging
import signal
import sys

from manager.collector import survivors_set_aside
from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.process import Process
from manager.static import StaticProcess
from registrar.errors import InvalidField
from registrar.settings.model import LogLevel, Settings
from registrar.telemetry.logging import configure, kv

log = logging.getLogger(__name__)

_LEVELS: dict[LogLevel, str] = {"trace": "debug", "fatal": "error", "panic": "error"}
"""Levels of the tools we replace that the standard library does not have."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="keep the SPIRE server's entries right",
        description="Watch the cluster and keep the SPIRE server's registration entries right, "
        "until stopped. Exit code 2 for a mistake in the configuration.",
    )
    add_config_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    try:
        level = _LEVELS.get(settings.log_level, settings.log_level)
        with configure(level, settings.log_format, settings.log_path):
            return asyncio.run(_until_stopped(settings))
    except* InvalidField as errors:
        for error in _flat(errors):
            print(f"spire-registrar: {error}", file=sys.stderr)
    return EXIT_CONFIGURATION


async def _until_stopped(settings: Settings) -> int:
    """Run the process; SIGTERM and SIGINT end it in order, the Lease given back."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if task is not None and not stopped:
            stopped = True
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        with survivors_set_aside():
            await _process(settings).run()
    except asyncio.CancelledError:
        if not stopped:
            raise
        log.info("stopped", extra=kv(reason="signal"))
    return 0


def _process(settings: Settings) -> Process | StaticProcess:
    """The process that the settings ask for."""
    manager = settings.controller_manager
    if manager is None or manager.static_manifests is None:
        return Process(settings)
    return StaticProcess(settings, manager.static_manifests)


def _flat(group: BaseExceptionGroup[InvalidField]) -> list[InvalidField]:
    """The errors of a group of groups."""
    found: list[InvalidField] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
