"""``spire-registrar topology``: SPIRE servers that belong together, on a cluster."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from api.durations import parse_duration
from manager.commands import topologyactions, topologycheck
from manager.commands.clusterflags import add_cluster_flags
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import say_errors
from manager.commands.timelimit import add_timeout
from manager.names import USER_AGENT
from registrar.errors import InvalidField

if TYPE_CHECKING:
    from topology.program import Exit


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand with its own."""
    parser = commands.add_parser(
        "topology",
        help="nested and federated SPIRE on a cluster",
        description="Nested and federated SPIRE on a cluster, by the manifests in deploy/.",
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    topologyactions.add_parsers(actions)
    _add_certificate(actions)
    topologycheck.add_parser(actions)


def _add_certificate(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "certificate",
        help="make the upstream authority of a root server, unless it is there",
        description="Make a Secret with a self-signed CA certificate and its key, for SPIRE's "
        "upstream authority. A Secret of that name stays as it is, and is not even read. Exit "
        "code 0 when it is there, 1 when it cannot be made, 2 for a mistake in a flag, 4 when the "
        "time is over.",
    )
    parser.add_argument("--secret", required=True, metavar="NAMESPACE/NAME", help="which Secret")
    parser.add_argument(
        "--trust-domain", required=True, metavar="NAME", help="the trust domain that it vouches for"
    )
    parser.add_argument(
        "--ttl",
        default="8760h",
        metavar="DURATION",
        help="life of the certificate (default: 8760h)",
    )
    add_timeout(parser, "0")
    add_cluster_flags(parser)
    parser.set_defaults(main=_certificate)


def _certificate(arguments: argparse.Namespace) -> int:
    from topology.program import run  # noqa: PLC0415

    try:
        return run(_ensure_certificate(arguments))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _ensure_certificate(arguments: argparse.Namespace) -> "Exit":
    """Make it. Raises InvalidField for a flag."""
    # Only here: the other commands need not carry all of this.
    from registrar.identity.spiffeid import check_trust_domain  # noqa: PLC0415
    from registrar.kube.client import KubeClient  # noqa: PLC0415
    from registrar.kube.session import connect  # noqa: PLC0415
    from topology.authority import make_authority, secret_of  # noqa: PLC0415
    from topology.certificate import ensure  # noqa: PLC0415
    from topology.conditions import parse_object  # noqa: PLC0415

    key = parse_object(arguments.secret, path="--secret")
    trust_domain = check_trust_domain(arguments.trust_domain, path="--trust-domain")
    life = _life(arguments.ttl)

    async with connect(
        arguments.kubeconfig, user_agent=USER_AGENT, context=arguments.context
    ) as session:
        return await ensure(
            KubeClient(session),
            key,
            lambda: secret_of(make_authority(trust_domain, now=datetime.now(UTC), life=life), key),
            say=lambda line: print(line, flush=True),
            timeout_seconds=arguments.timeout,
        )


def _life(text: str) -> timedelta:
    remedy = "write a duration of at least 1m, such as 8760h"
    try:
        life = timedelta(microseconds=parse_duration(text) // 1000)
        end = datetime.now(UTC) + life
    except (ValueError, OverflowError) as error:
        raise InvalidField("--ttl", text, f"{error}: {remedy}") from error
    if life < timedelta(minutes=1) or end.year > _LAST_YEAR:
        raise InvalidField("--ttl", text, remedy)
    return life


_LAST_YEAR = 9998
"""A certificate can say no later year than the one after it."""
