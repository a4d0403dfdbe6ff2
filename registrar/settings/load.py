"""A configuration file and flags into Settings, or everything that is wrong with them.

Files of the layered registrar that this one follows work unchanged: an empty
text counts as not given, as it did there. Called before the event loop starts,
since it reads the file.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from registrar.settings import legacy
from registrar.settings.files import read_hcl, read_text
from registrar.settings.layered import interpret_layered
from registrar.settings.manager import expand_environment, interpret_manager
from registrar.settings.model import Settings
from registrar.settings.problems import ConfigError
from registrar.settings.workload import interpret_workload

RESOLVER = Path("/etc/resolv.conf")


def load(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    expand_env: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a file; ``overrides`` are flags, by key, as they were typed.

    With ``expand_env`` variables in the file are replaced first. Raises
    ConfigError with all problems.
    """
    text = read_text(path)
    variables = os.environ if environment is None else environment
    unset: list[str] = []
    if expand_env:
        text, unset = expand_environment(text, variables)
    settings = interpret(text, path=path, overrides=overrides, environment=variables)
    warnings = tuple(f"${name} is not set: it counts as empty" for name in unset)
    return replace(settings, warnings=(*warnings, *settings.warnings))


def interpret(
    text: str,
    *,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """As ``load``, with the file's text given; ``path`` only names it in problems."""
    if legacy.is_controller_manager(text):
        return interpret_manager(
            text,
            path=path,
            overrides=overrides or {},
            environment=environment or {},
            resolver_configuration=_resolver_configuration(),
        )
    reader = read_hcl(text, path, overrides or {})
    is_workload = legacy.is_workload_registrar(reader.root, path)
    settings = interpret_workload(reader) if is_workload else interpret_layered(reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _resolver_configuration() -> str:
    try:
        return RESOLVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
