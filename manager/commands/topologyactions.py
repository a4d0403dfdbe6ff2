"""``spire-registrar topology start|test|stop|status``: what a person does with modules."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.commands.topologyflags import (
    SOAKED,
    add_components,
    add_prefix,
    add_soak,
    modules_of,
    passed_on,
)
from manager.names import USER_AGENT
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from registrar.kube.session import Session
    from topology.kubectl import Kubectl
    from topology.program import Exit
    from topology.trial import Outcome

Work = Callable[[argparse.Namespace, "Session"], Awaitable["Exit"]]
_CODES = (
    "Exit code 0 when it is done, 1 when it failed, 2 for a mistake in a flag, 3 when other "
    "modules need what should end, 4 when the time is over."
)


def add_parsers(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommands."""
    start = _add(actions, "start", "bring modules up, with those that they need", _start)
    add_timeout(start, "5m")
    trial = _add(actions, "test", "run the tests of modules, as Jobs", _test)
    add_timeout(trial, "15m")
    stop = _add(actions, "stop", "end modules; their data stays", _stop)
    add_timeout(stop, "5m")
    stop.add_argument(
        "--with-dependents", action="store_true", help="end the modules that need them too"
    )
    stop.add_argument(
        "--clean", action="store_true", help="delete their data too, and show that nothing is left"
    )
    _add(actions, "status", "show all servers in a table", _status)
    for parser in (start, trial):
        add_components(parser)
    add_soak(trial)
    for parser in (trial, actions.choices["status"]):
        parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    meaning: str,
    work: Work,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}. {_CODES}"
    )
    many = "?" if name == "status" else None
    parser.add_argument(
        "module",
        nargs="*" if many else "+",
        metavar="MODULE",
        help="nested, federated, oidc or all" + (" (default: all)" if many else ""),
    )
    parser.add_argument(
        "--manifests", type=Path, metavar="DIR", help="the folder deploy of a checkout"
    )
    parser.add_argument("--kubectl", default="kubectl", metavar="PROGRAM", help="kubectl to use")
    add_prefix(parser)
    add_cluster_flags(parser)
    parser.set_defaults(main=lambda arguments: _main(arguments, work))
    return parser


def _main(arguments: argparse.Namespace, work: Work) -> int:
    # Only here: the other commands need not carry all of this.
    from registrar.kube.errors import KubeError  # noqa: PLC0415
    from topology.kubectl import KubectlError  # noqa: PLC0415
    from topology.program import Exit, run  # noqa: PLC0415

    async def connected() -> "Exit":
        from registrar.kube.session import connect  # noqa: PLC0415

        async with connect(
            arguments.kubeconfig, user_agent=USER_AGENT, context=arguments.context
        ) as session:
            return await work(arguments, session)

    try:
        return run(connected())
    except* InvalidField as errors:
        say_errors(errors)
        code = EXIT_CONFIGURATION
    except* (KubeError, KubectlError) as failures:
        say_errors(failures)
        code = Exit.FAILED
    return code


def _kubectl(arguments: argparse.Namespace) -> "Kubectl":
    from topology.kubectl import Kubectl, find_kubectl  # noqa: PLC0415

    return Kubectl(
        find_kubectl(arguments.kubectl), kubeconfig=arguments.kubeconfig, context=arguments.context
    )


async def _start(arguments: argparse.Namespace, session: "Session") -> "Exit":
    from topology.components import choose  # noqa: PLC0415
    from topology.manifests import find_manifests  # noqa: PLC0415
    from topology.modules import with_needed  # noqa: PLC0415
    from topology.progress import Progress  # noqa: PLC0415
    from topology.start import Start  # noqa: PLC0415

    modules = with_needed(modules_of(arguments).named(arguments.module, path="MODULE"))
    components = choose(arguments.component, modules, path="--component")
    kubectl = _kubectl(arguments)
    progress = Progress(arguments.timeout)
    start = Start(session, kubectl, find_manifests(arguments.manifests), progress, components)
    return await start.run(modules, arguments.timeout)


async def _test(arguments: argparse.Namespace, session: "Session") -> "Exit":
    from topology.components import choose  # noqa: PLC0415
    from topology.manifests import find_manifests  # noqa: PLC0415
    from topology.program import Exit  # noqa: PLC0415
    from topology.trial import Trial  # noqa: PLC0415

    modules = modules_of(arguments).named(arguments.module, path="MODULE")
    components = choose(arguments.component, modules, path="--component")
    if arguments.soak and not any(module.name == SOAKED for module in modules):
        raise InvalidField("--soak", f"{arguments.soak:g}s", f"it is of the module {SOAKED} alone")
    is_json = arguments.output == "json"
    trial = Trial(
        session,
        _kubectl(arguments),
        find_manifests(arguments.manifests),
        say=lambda line: print(line, file=sys.stderr if is_json else sys.stdout, flush=True),
        show=_show_json if is_json else _show,
    )
    worst = Exit.DONE
    for module in modules:
        told = passed_on(arguments, module, components.of(module))
        worst = max(worst, await trial.run(module, arguments.timeout, told))
    return worst


def _show(outcome: "Outcome") -> None:
    word = "ok  " if outcome.ok else "FAIL"
    print(f"{word} {outcome.seconds:5.1f} s  {outcome.module}: {outcome.text}", flush=True)


def _show_json(outcome: "Outcome") -> None:
    from dataclasses import asdict  # noqa: PLC0415

    from api.codec import encode  # noqa: PLC0415

    print(encode(asdict(outcome)).decode(), flush=True)


async def _stop(arguments: argparse.Namespace, session: "Session") -> "Exit":
    from topology.manifests import find_manifests  # noqa: PLC0415
    from topology.stop import Stop  # noqa: PLC0415

    modules = modules_of(arguments)
    stop = Stop(
        session,
        _kubectl(arguments),
        find_manifests(arguments.manifests),
        lambda line: print(line, flush=True),
        modules,
    )
    return await stop.run(
        modules.named(arguments.module, path="MODULE"),
        with_dependents=arguments.with_dependents,
        clean=arguments.clean,
        timeout_seconds=arguments.timeout,
    )


async def _status(arguments: argparse.Namespace, session: "Session") -> "Exit":
    from dataclasses import asdict  # noqa: PLC0415

    from api.codec import encode  # noqa: PLC0415
    from topology.modules import ALL  # noqa: PLC0415
    from topology.program import Exit  # noqa: PLC0415
    from topology.table import rows, table  # noqa: PLC0415

    modules = modules_of(arguments).named(arguments.module or [ALL], path="MODULE")
    found = await rows(session, modules)
    if arguments.output == "json":
        print(encode([asdict(row) for row in found]).decode())
    else:
        print(table(found))
    return Exit.DONE
