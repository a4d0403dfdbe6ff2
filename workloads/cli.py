"""The command line ``spire-workload``: a client, a server and an authorizer that use SVIDs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from api.durations import parse_duration
from registrar.errors import InvalidField, flat
from topology.program import Exit, run
from workloads import programs

_SOCKET = "/run/spire/agent/api.sock"
_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"


def parser() -> argparse.ArgumentParser:
    """The parser; each command sets ``work``, the coroutine to run, and ``level`` of its log."""
    top = argparse.ArgumentParser(
        prog="spire-workload",
        description="Programs that use SVIDs, to try SPIRE with. Exit codes: 0 done, 1 refused or "
        "failed, 2 a mistake in a flag or a file.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    client = commands.add_parser("client", help="fetch SVIDs, or ask a server")
    actions = client.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_fetch(actions)
    _add_get(actions)
    _add_server(commands)
    _add_authorizer(commands)
    return top


def _add_socket(to: argparse.ArgumentParser) -> None:
    given = os.environ.get(_VARIABLE, "").removeprefix("unix://").removeprefix("unix:")
    to.add_argument(
        "--socket",
        default=given or _SOCKET,
        metavar="PATH",
        help=f"the agent's Workload API (default: ${_VARIABLE}, else {_SOCKET})",
    )


def _add_fetch(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetch = actions.add_parser(
        "fetch",
        help="show or write what the agent gives to this workload",
        description="Show all SVIDs and bundles that the agent gives to this workload.",
    )
    fetch.add_argument(
        "--audience", action="append", default=[], metavar="AUD", help="a JWT SVID for it, too"
    )
    fetch.add_argument("--write", type=Path, metavar="DIR", help="write chains, keys and bundles")
    fetch.add_argument("--der", action="store_true", help="write DER, not PEM")
    fetch.add_argument("--token", action="store_true", help="print nothing but the JWT SVID itself")
    _add_socket(fetch)
    fetch.set_defaults(work=programs.fetch, level="error")


def _add_get(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    get = actions.add_parser(
        "get",
        help="ask a server that is known by its SPIFFE ID",
        description="Make one request. Over https the server must be one of --server, and our "
        "SVID is shown where it is asked for; http is for a proxy before us.",
    )
    get.add_argument("url", metavar="URL")
    get.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="ID",
        help="whom to talk to: a SPIFFE ID, spiffe://<trust domain>, or any; several may be given",
    )
    get.add_argument("--audience", default="", metavar="AUD", help="bring a JWT SVID for it")
    get.add_argument(
        "--token-header",
        choices=("authorization", "x-emissary-auth"),
        default="authorization",
        help="where the JWT SVID stands (default: authorization)",
    )
    get.add_argument("--no-certificate", action="store_true", help="TLS without our own SVID")
    get.add_argument(
        "--through",
        default="",
        metavar="HOST:PORT",
        help="a proxy that speaks for us, asked over plain http for the URL's host",
    )
    get.add_argument(
        "--every",
        type=_pause,
        default=0.0,
        metavar="DURATION",
        help="ask again and again, such as 5s; a line for each answer that is another one",
    )
    get.add_argument(
        "--health",
        default="",
        metavar="HOST:PORT",
        help="probes: ready where the last answer was a good one; with --every",
    )
    get.add_argument("--method", default="GET", help="GET, POST, … (default: GET)")
    get.add_argument(
        "--header", action="append", default=[], metavar="NAME: VALUE", help="several may be given"
    )
    _add_socket(get)
    get.set_defaults(work=programs.get, level="error")


def _add_server(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    server = commands.add_parser(
        "server",
        help="say to whoever asks who that is",
        description="Listen, and say to clients whom we take them for. Modes: mtls (by their "
        "certificate), jwt (by a token, over TLS), mtls+jwt (both, of the same), tls (anybody), "
        "http (for a proxy on the loopback, which says it by x-spiffe-id).",
    )
    server.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="MODE=HOST:PORT",
        help="such as mtls=[::]:8443; several may be given",
    )
    server.add_argument(
        "--client",
        action="append",
        default=[],
        metavar="ID",
        help="who may ask: a SPIFFE ID, spiffe://<trust domain>, or any; several may be given",
    )
    server.add_argument(
        "--audience", default="", help="whom tokens must be for (default: our own SPIFFE ID)"
    )
    server.add_argument("--health", default="", metavar="HOST:PORT", help="probes and metrics")
    _add_socket(server)
    server.set_defaults(work=programs.serve, level="info")


def _add_authorizer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    authorizer = commands.add_parser(
        "authorizer",
        help="decide for Envoy who may ask for what",
        description="Answer Envoy's filter ext_authz over HTTP on a unix socket: below /ingress "
        "for requests that come in, below /egress for those that go out.",
    )
    authorizer.add_argument(
        "--listen", type=Path, required=True, metavar="PATH", help="the unix socket"
    )
    authorizer.add_argument(
        "--policy", type=Path, required=True, metavar="FILE", help="who may ask for what, YAML"
    )
    authorizer.add_argument("--health", default="", metavar="HOST:PORT", help="probes and metrics")
    _add_socket(authorizer)
    authorizer.set_defaults(work=programs.authorize, level="info")


def _pause(text: str) -> float:
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}: write one such as 5s") from error
    if nanoseconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a duration above 0, such as 5s")
    return nanoseconds / 1e9


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parsed = parser().parse_args(arguments)
    try:
        return run(parsed.work(parsed), level=parsed.level)
    except* InvalidField as errors:
        for error in flat(errors):
            sys.stderr.write(f"spire-workload: {error}\n")
    return Exit.USAGE
