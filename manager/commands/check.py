"""``spire-registrar check``: say how a configuration file is understood, and do nothing else."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from api.codec import JSONValue
from manager.commands.configuration import (
    EXIT_CONFIGURATION,
    add_config_flags,
    examined,
    path_of,
    say,
)
from manager.output import add_output_flag, as_document
from registrar.errors import InvalidField, printable
from registrar.settings.model import CRDMode, Settings
from registrar.settings.problems import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from registrar.settings.load import Examined


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="check a configuration file",
        description="Say how a configuration file is understood: which tool's file it is, in which "
        "mode it would run and how that is known; what is wrong, all of it; and what each key does "
        "that is deprecated or ignored. Nothing is started or reached. The node driver's file is "
        "known too.",
        epilog="Exit code 0: the file is right, though there may be warnings. 2: the file is "
        "wrong, cannot be read or is no configuration, or a flag is wrong.",
    )
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="the file, in the place of --config"
    )
    add_output_flag(parser, meaning="a line for each thing")
    add_config_flags(parser)
    parser.set_defaults(main=main, parser=parser)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if arguments.file is not None and arguments.config is not None:
        arguments.parser.error("give FILE or --config, not both")
    arguments.config = arguments.file or arguments.config
    path = path_of(arguments)
    found = examined(arguments)
    problems = problems_of(found, path)
    if arguments.output == "table":
        count = len(problems)
        verdict = f"wrong, {count} mistake{'s' * (count != 1)}" if problems else "right"
        print(f"{path}: {verdict}")
        if found.origin.tool:
            print(f"{path}: {found.origin}")
        say(problems, found.warnings, path)
    else:
        report: JSONValue = {
            "file": str(path),
            "right": not problems,
            "tool": found.origin.tool,
            "mode": found.origin.mode,
            "why": found.origin.why,
            "problems": [_as_json(problem) for problem in problems],
            "warnings": [printable(warning) for warning in found.warnings],
        }
        print(as_document(report, arguments.output), end="")
    return EXIT_CONFIGURATION if problems else 0


def problems_of(found: "Examined", path: Path) -> tuple[ConfigProblem, ...]:
    """Everything that is wrong, also with what only the driver or the mode can tell."""
    # Only here: the other commands need not carry all of this.
    from registrar.settings.csi import NODE_NAME, load_csi  # noqa: PLC0415
    from registrar.settings.legacy import DRIVER  # noqa: PLC0415

    if found.origin.tool == DRIVER:
        try:
            # The file can be right anywhere, not only on a node.
            load_csi(path, environment={NODE_NAME: "node", **os.environ})
        except ConfigError as error:
            return error.problems
        return ()
    more = dict.fromkeys(_problems_of_mode(found, path))
    if found.problems:
        # The mode saw defaults in the place of what is wrong, so only what was written counts.
        known = {problem.field for problem in found.problems}
        more = {problem: None for problem in more if problem.line and problem.field not in known}
    return ConfigError((*found.problems, *more)).problems


def _problems_of_mode(found: "Examined", path: Path) -> Iterator[ConfigProblem]:
    """What the mode itself refuses, such as templates that are none."""
    # Only here: the other commands need not carry all of this.
    from manager.modes.choice import mode_of  # noqa: PLC0415

    if found.settings is None:
        return
    settings = found.settings
    if found.problems:
        # Templates are tried with names of some trust domain, where the file's own is wrong.
        settings = replace(
            settings,
            trust_domain=settings.trust_domain or "example.org",
            cluster=settings.cluster or "cluster",
        )
    for variant in _each_template_alone(settings):
        try:
            # The file can be right anywhere, not only in the Pod that it is for.
            mode_of(variant, namespace="default")
        except InvalidField as error:
            field = error.path.partition("[")[0]
            at = found.places.get(field)
            message = str(error).removeprefix(f"{error.path}: ")
            yield ConfigProblem(
                path, at.line if at else None, error.path, message, at.column if at else None
            )


def _each_template_alone(settings: Settings) -> Iterator[Settings]:
    """The settings with one template at a time, since a mode stops at the first wrong one."""
    config = settings.workload_registrar
    if not isinstance(config, CRDMode):
        yield settings
        return
    rest = CRDMode()
    yield replace(settings, workload_registrar=replace(config, dns_name_templates=()))
    for number, template in enumerate(config.dns_name_templates):
        names = (*rest.dns_name_templates * number, template)
        alone = replace(config, identity_template=rest.identity_template, dns_name_templates=names)
        yield replace(settings, workload_registrar=alone)


def _as_json(problem: ConfigProblem) -> JSONValue:
    return {
        "file": None if problem.path is None else str(problem.path),
        "line": problem.line,
        "column": problem.column,
        "field": printable(problem.field),
        "message": printable(problem.message),
    }
