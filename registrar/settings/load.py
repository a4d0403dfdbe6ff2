"""A configuration file and flags into Settings, or everything that is wrong with them.

Files of the tools that this one follows work unchanged: what writes nothing counts
as not given, as it did there (see ``kinds.py``). Called before the event loop starts,
since it reads the file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from registrar.settings import legacy
from registrar.settings.files import parse_hcl, read_text
from registrar.settings.hcl import Table
from registrar.settings.hcltokens import Position
from registrar.settings.layered import interpret_layered
from registrar.settings.manager import expand_environment, interpret_manager, unset_variables
from registrar.settings.model import Origin, Settings
from registrar.settings.problems import ConfigError, ConfigProblem
from registrar.settings.reader import Reader
from registrar.settings.workload import interpret_workload
from registrar.settings.yamltree import YAMLError

_NODE_DRIVER = (
    "a key of the node driver's file: check that by spire-registrar csi --check --config FILE"
)
RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Examined:
    """A file as it was understood.

    ``origin`` is whose it was taken for, empty where that cannot be told. Where there are
    ``problems``, ``settings`` have defaults in the place of what is wrong, or are None, and nobody
    may run with them. ``places`` says where each key of the first level stands.
    """

    origin: Origin
    settings: Settings | None
    problems: tuple[ConfigProblem, ...]
    warnings: tuple[str, ...] = ()
    places: Mapping[str, Position] = field(default_factory=dict)

    def usable(self) -> Settings:
        """The settings. Raises ConfigError where there are problems."""
        if self.settings is None or self.problems:
            raise ConfigError(self.problems)
        return replace(self.settings, warnings=self.warnings, origin=self.origin)


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
    return examine(
        path,
        overrides=overrides,
        fallbacks=fallbacks,
        expand_env=expand_env,
        environment=environment,
    ).usable()


def interpret(
    text: str,
    *,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    fallbacks: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """As ``load``, with the file's text given; ``path`` only names it in problems."""
    return _examine(text, path, overrides or {}, fallbacks or {}, environment or {}).usable()


def examine(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    fallbacks: Mapping[str, str] | None = None,
    expand_env: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Examined:
    """As ``load``, with everything that can be said of the file; nothing is raised."""
    try:
        text = read_text(path)
    except ConfigError as error:
        return Examined(Origin(), None, error.problems)
    variables = os.environ if environment is None else environment
    expanded = expand_environment(text, variables) if expand_env else text
    found = _examine(expanded, path, overrides or {}, fallbacks or {}, variables)
    unset: list[str] = []
    if expand_env:
        # Which comments there are, only the language tells, and that what is expanded.
        is_yaml = found.origin.tool == legacy.MANAGER
        unset = unset_variables(text, variables, is_yaml=is_yaml)
    warnings = tuple(f"${name} is not set: it counts as empty" for name in unset)
    return replace(found, warnings=(*warnings, *found.warnings))


def _examine(
    text: str,
    path: Path,
    overrides: Mapping[str, str],
    fallbacks: Mapping[str, str],
    environment: Mapping[str, str],
) -> Examined:
    try:
        manager = legacy.controller_managers(text)
        document = parse_hcl(text, path) if manager is None else manager.document
    except YAMLError as error:
        place = error.at
        problem = ConfigProblem(path, place.line, "", error.message, place.column)
        return Examined(Origin(), None, (problem,))
    except ConfigError as error:
        hint = legacy.why_not_yaml(text)
        problems = (replace(found, message=found.message + hint) for found in error.problems)
        return Examined(Origin(), None, tuple(problems))
    if manager is None and (foreign := _foreign(document.root, path)) is not None:
        return foreign
    reader = Reader(path, document.root, "layered", overrides=overrides, fallbacks=fallbacks)
    reader.report_repeated(document.repeated)
    if manager is not None:
        settings, origin = _managers(reader, manager, environment)
    elif why := legacy.workload_registrars(document.root, path):
        reader.dialect = "webhook"
        settings, why = interpret_workload(reader, why)
        origin = Origin(legacy.WORKLOAD, settings.mode, why)
    else:
        settings = interpret_layered(reader)
        origin = Origin(legacy.LAYERED, "layered", "no key of another tool stands in it")
    wrong = ConfigError(reader.problems).problems
    places = {name: entry.at for name, entry in document.root.entries.items()}
    return Examined(origin, settings, wrong, tuple(reader.warnings), places)


def _foreign(root: Table, path: Path) -> Examined | None:
    """What is said of a file in HCL that no registrar reads."""
    if (driver := legacy.node_drivers(root)) is not None:
        name, at = driver
        problem = ConfigProblem(path, at.line, name, _NODE_DRIVER)
        return Examined(Origin(legacy.DRIVER, "csi", f"it has {name}"), None, (problem,))
    if (block := legacy.spires(root)) is not None:
        name, at = block
        message = "a block of the SPIRE server's or agent's own file: name the registrar's file"
        return Examined(Origin(), None, (ConfigProblem(path, at.line, name, message, at.column),))
    return None


def _managers(
    reader: Reader, file: legacy.ManagersFile, environment: Mapping[str, str]
) -> tuple[Settings, Origin]:
    """The controller manager's settings."""
    reader.dialect = "manager"
    settings = interpret_manager(
        reader, environment=environment, resolver_configuration=_resolver_configuration()
    )
    if file.others:
        reader.warnings.insert(0, f"{file.others} more documents in the file are not read")
    is_static = settings.mode == "static"
    why = f"it has staticManifestPath; {file.why}" if is_static else file.why
    return settings, Origin(legacy.MANAGER, "static" if is_static else "cluster", why)


def _resolver_configuration() -> str:
    try:
        return RESOLVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
