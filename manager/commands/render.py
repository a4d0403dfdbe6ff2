"""``spire-registrar render``: what templates give for Pods, without a registrar."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api.meta import ObjectKey
from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION, say
from manager.names import USER_AGENT
from manager.output import add_output_flag, as_document
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from manager.rendering.inputs import Given
    from manager.rendering.pods import SeenPod
    from manager.rendering.subjects import Rendered, Subject
    from registrar.settings.model import Settings

EXIT_NOT_RENDERED = 1
EXIT_UNREADABLE = 3


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "render",
        help="show what templates give for Pods",
        description="Show what a template gives for Pods of the cluster or of a file: a text that "
        "you try, ClusterSPIFFEIDs of a file, or the templates of crd mode's configuration. What "
        "does not render is shown with Go's error and the place of the template. Nothing is "
        "changed; with Pods from a file no cluster is needed.",
        epilog=f"Exit code 0: everything renders. {EXIT_NOT_RENDERED}: a template does not render "
        "or an object is wrong. 2: a flag, a file or the configuration is wrong. "
        f"{EXIT_UNREADABLE}: the cluster's Pods cannot be read.",
    )
    parser.add_argument(
        "pods",
        nargs="*",
        type=_pod,
        metavar="pod/NAME",
        help="these Pods (default: all that are selected)",
    )
    parser.add_argument(
        "--template",
        metavar="TEXT",
        help="a template to try, which sees what those of a ClusterSPIFFEID see",
    )
    parser.add_argument(
        "-f",
        "--filename",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file of ClusterSPIFFEIDs, - for standard input; Pods in it are used too; may be "
        "given several times",
    )
    parser.add_argument(
        "--pods",
        dest="pod_files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file of Pods, or of Deployments and the like, in the place of the cluster; Nodes "
        "and Namespaces in it count too",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the registrar's configuration: trust domain, cluster and its own templates",
    )
    parser.add_argument("--trust-domain", default="", metavar="NAME", help="in its place")
    parser.add_argument("--cluster", default="", metavar="NAME", help="in its place")
    parser.add_argument(
        "-n",
        "--namespace",
        default="",
        metavar="NAME",
        help="of the Pods (default: of named ones default, else all)",
    )
    add_output_flag(parser, meaning="by object and Pod")
    add_cluster_flags(parser)
    parser.set_defaults(main=main, parser=parser)


def _pod(text: str) -> str:
    kind, slash, name = text.partition("/")
    if not slash or kind not in {"pod", "pods", "po"} or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r}: write pod/NAME")
    return name


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    try:
        return asyncio.run(_render(arguments))
    except InvalidField as error:
        print(f"spire-registrar: {error}", file=sys.stderr)
    return EXIT_CONFIGURATION


async def _render(arguments: argparse.Namespace) -> int:
    """Render and show; gives the exit code. Raises InvalidField."""
    # Only here: the other commands need not carry all of this.
    from manager.rendering.show import document, lines  # noqa: PLC0415
    from manager.rendering.subjects import none_of  # noqa: PLC0415
    from registrar.kube.errors import KubeError  # noqa: PLC0415

    settings, is_right = await asyncio.to_thread(_settings, arguments)
    if not is_right:
        return EXIT_CONFIGURATION
    given, subjects, found = await asyncio.to_thread(_subjects, arguments, settings)
    if not subjects and not found:
        arguments.parser.error(
            "nothing to render: give --template, -f FILE with a ClusterSPIFFEID, or the --config "
            "of crd mode"
        )
    try:
        pods = await _pods(arguments, settings, given, subjects)
    except KubeError as error:
        print(f"spire-registrar: the cluster's Pods cannot be read: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    for subject in subjects:
        chosen = [pod for pod in pods if arguments.pods or subject.selects(pod)]
        found += [subject.rendered(pod) for pod in chosen]
        if not chosen:
            found.append(none_of(subject.name, len(pods)))
    if arguments.output == "table":
        for line in lines(found):
            print(line)
    else:
        print(as_document(document(found), arguments.output), end="")
    return EXIT_NOT_RENDERED if any(each.problem is not None for each in found) else 0


def _settings(arguments: argparse.Namespace) -> "tuple[Settings | None, bool]":
    """The configuration, if one is named; and whether it is right. Mistakes are printed."""
    from registrar.settings.load import examine  # noqa: PLC0415

    if arguments.config is None:
        return None, True
    found = examine(arguments.config)
    say(found.problems, found.warnings, arguments.config)
    return found.settings, not found.problems


def _subjects(
    arguments: argparse.Namespace, settings: "Settings | None"
) -> "tuple[Given, list[Subject], list[Rendered]]":
    """What is to be rendered, and what is wrong by itself. Raises InvalidField."""
    from manager.rendering.inputs import (  # noqa: PLC0415
        Given,
        data_of,
        documents_of,
        ignored_of,
        surroundings_of,
    )
    from manager.rendering.mark import marked  # noqa: PLC0415
    from manager.rendering.subjects import (  # noqa: PLC0415
        TEMPLATE,
        PlainTemplate,
        Problem,
        Rendered,
    )

    surroundings = surroundings_of(
        settings, trust_domain=arguments.trust_domain, cluster=arguments.cluster
    )
    given, broken = Given(ignored_of(settings)), list[Rendered]()
    for path in (*arguments.filename, *arguments.pod_files):
        given.take(documents_of(path), surroundings)
    subjects: list[Subject] = [*given.subjects]
    if arguments.template is not None:
        try:
            data = data_of(settings, surroundings)
            subjects.append(PlainTemplate(arguments.template, data))
        except InvalidField as error:
            place = tuple(marked(error.remedy, {TEMPLATE: arguments.template}))
            broken.append(Rendered(TEMPLATE, problem=Problem(error.remedy, place)))
    if settings is not None and arguments.template is None and not arguments.filename:
        given.take_mode(settings, namespace=arguments.namespace or "default")
        subjects += given.subjects
    return given, subjects, [*broken, *given.broken]


async def _pods(
    arguments: argparse.Namespace,
    settings: "Settings | None",
    given: "Given",
    subjects: "list[Subject]",
) -> "list[SeenPod]":
    """The Pods of the files, else of the cluster. Raises InvalidField and KubeError."""
    from manager.rendering.cluster import pods_of_cluster  # noqa: PLC0415
    from manager.rendering.pods import seen  # noqa: PLC0415
    from registrar.kube.session import connect  # noqa: PLC0415

    namespace = arguments.namespace
    if arguments.pod_files or given.pods:
        found = [seen(pod, given.around) for pod in given.pods]
        return _named(found, arguments.pods, namespace)
    if not subjects:
        return []
    kubeconfig = arguments.kubeconfig
    if kubeconfig is None and settings is not None:
        kubeconfig = settings.kubeconfig
    async with connect(kubeconfig, context=arguments.context, user_agent=USER_AGENT) as session:
        return await pods_of_cluster(
            session,
            [ObjectKey(namespace or "default", name) for name in arguments.pods],
            namespace=namespace,
            needs_owners=any(subject.needs_owners for subject in subjects),
            needs_services=any(subject.needs_services for subject in subjects),
        )


def _named(found: "list[SeenPod]", names: list[str], namespace: str) -> "list[SeenPod]":
    """Those that are asked for. Raises InvalidField for a name that none of them has."""
    inside = [pod for pod in found if namespace in {"", pod.key.namespace}]
    known = {pod.key.name for pod in inside}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidField("pod", name, f"no such Pod in the files; there are: {there}")
    return [pod for pod in inside if not names or pod.key.name in names]
