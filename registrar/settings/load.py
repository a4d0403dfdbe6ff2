"""A configuration file and flags into Settings, or everything that is wrong with them.

Files of the tools that this one follows work unchanged: a zero value counts
as not given, as it did there (see ``reader.py``). Called before the event loop starts,
since it reads the file.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from registrar.settings import legacy
from registrar.settings.files import read_hcl, read_text
from registrar.settings.keys import NODE_DRIVER_KEY
from registrar.settings.layered import interpret_layered
from registrar.settings.manager import expand_environment, interpret_manager
from registrar.settings.model import Origin, Settings
from registrar.settings.problems import ConfigError, ConfigProblem
from registrar.settings.workload import interpret_workload
from registrar.settings.yamltree import YAMLError

_NODE_DRIVER = (
    "a key of the node driver's file: check that by spire-registrar csi --check --config FILE"
)
RESOLVER = Path("/etc/resolv.conf")


def load(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    fallbacks: Mapping[str, str] | None = None,
    expand_env: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a file; ``overrides`` are flags, by key, as they were typed.

    ``fallbacks`` are those that count where the file says nothing. With
    ``expand_env`` variables in the file are replaced first. Raises
    ConfigError with all problems.
    """
    text = read_text(path)
    variables = os.environ if environment is None else environment
    unset: list[str] = []
    if expand_env:
        text, unset = expand_environment(text, variables)
    settings = interpret(
        text, path=path, overrides=overrides, fallbacks=fallbacks, environment=variables
    )
    warnings = tuple(f"${name} is not set: it counts as empty" for name in unset)
    return replace(settings, warnings=(*warnings, *settings.warnings))


def interpret(
    text: str,
    *,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    fallbacks: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """As ``load``, with the file's text given; ``path`` only names it in problems."""
    try:
        manager = legacy.controller_managers(text)
    except YAMLError as error:
        place = error.at
        problem = ConfigProblem(path, place.line, "", error.message, place.column)
        raise ConfigError([problem]) from error
    if manager is not None:
        return _managers(manager, path, overrides or {}, fallbacks or {}, environment or {})
    reader = read_hcl(text, path, overrides or {}, fallbacks)
    if (driver := legacy.node_drivers(reader.root)) is not None:
        raise ConfigError([ConfigProblem(path, driver.line, NODE_DRIVER_KEY, _NODE_DRIVER)])
    why = legacy.workload_registrars(reader.root, path)
    settings = interpret_workload(reader, why) if why else interpret_layered(reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _managers(
    file: legacy.ManagersFile,
    path: Path,
    overrides: Mapping[str, str],
    fallbacks: Mapping[str, str],
    environment: Mapping[str, str],
) -> Settings:
    """The controller manager's settings."""
    settings = interpret_manager(
        file.document,
        path=path,
        overrides=overrides,
        fallbacks=fallbacks,
        environment=environment,
        resolver_configuration=_resolver_configuration(),
    )
    config = settings.controller_manager
    is_static = config is not None and config.static_manifests is not None
    mode, why = ("static", "it has staticManifestPath") if is_static else ("cluster", file.why)
    warnings = settings.warnings
    if file.others:
        warnings = (f"{file.others} more documents in the file are not read", *warnings)
    return replace(settings, warnings=warnings, origin=Origin(legacy.MANAGER, mode, why))


def _resolver_configuration() -> str:
    try:
        return RESOLVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
