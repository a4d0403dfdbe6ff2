"""``spire-registrar run``: the controller itself."""

import argparse
import logging
from pathlib import Path

from manager.commands.configuration import EXIT_CONFIGURATION, add_config_flags, settings_of
from manager.commands.lifecycle import EXIT_LEADERSHIP_LOST, Runnable, run_until_stopped
from manager.names import status_page_key
from registrar.errors import InvalidField
from registrar.settings.model import Settings
from registrar.telemetry.logging import kv
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="keep the SPIRE server's entries right",
        description="Watch the cluster and keep the SPIRE server's registration entries right, "
        "until stopped. Exit code 0 when a signal stopped it, 2 for a mistake in the "
        f"configuration, {EXIT_LEADERSHIP_LOST} when it led and lost its Lease, or its prefix to "
        "another: start it again.",
    )
    add_config_flags(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    settings = settings_of(arguments)
    if settings is None:
        return EXIT_CONFIGURATION
    return run_until_stopped(
        lambda: _process(settings, arguments.config),
        level=settings.log_level,
        log_format=settings.log_format,
        log_path=settings.log_path,
    )


def _process(settings: Settings, path: Path) -> Runnable:
    """The process that the settings ask for; the first line of the log says which and why."""
    origin = settings.origin
    log.info(
        "configuration",
        extra=kv(file=str(path), tool=origin.tool, mode=origin.mode, why=origin.why),
    )
    # Only here: the other commands, the node driver among them, need not carry all of this.
    from manager.process import Process  # noqa: PLC0415

    process = Process(settings, _tracer() if settings.tracing else None)
    if settings.status_page_addr == "0":
        return process
    from manager.statuspage.server import WithStatusPage  # noqa: PLC0415

    return WithStatusPage(process, field=status_page_key(settings))


def _tracer() -> Tracer:
    """Where spans go. Raises InvalidField: what makes them is not installed, or not known."""
    try:
        from registrar.telemetry.otel import OpenTelemetryTracer, exporter  # noqa: PLC0415
    except ImportError as error:
        raise InvalidField(
            "tracing",
            "true",
            "OpenTelemetry is not installed: pip install 'spire-registrar[tracing]', or set false",
        ) from error
    try:
        return OpenTelemetryTracer(exporter())
    except ValueError as error:
        raise InvalidField("tracing", "true", str(error)) from error
