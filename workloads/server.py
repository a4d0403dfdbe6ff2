"""The server: says to whoever asks who it takes them for.

A listener knows its clients by their certificates (``mtls``), by their tokens (``jwt``), by both
(``mtls+jwt``), or not at all (``tls``); ``http`` is for a proxy before it, which says by the header
``x-spiffe-id`` who asks, and is bound to the loopback for that.
"""

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from registrar.errors import InvalidField
from topology.checks.check import Untrue
from topology.conditions import parse_address
from topology.workloadapi import X509Answer
from workloads.authorizer import ID_HEADER
from workloads.peers import Expected
from workloads.source import Source
from workloads.tls import SVIDContext, peer_of, server_context
from workloads.tokens import NoToken, subject_of, token_in

MODES = ("mtls", "jwt", "mtls+jwt", "tls", "http")


@dataclass(frozen=True, slots=True)
class Listener:
    """Where it listens, and how it knows its clients."""

    mode: str
    host: str
    port: int


def parse_listener(text: str, *, path: str) -> Listener:
    """Read ``MODE=HOST:PORT``. Raises InvalidField."""
    mode, _, address = text.partition("=")
    if mode not in MODES or not address:
        raise InvalidField(path, text, f"write MODE=HOST:PORT with a mode of {', '.join(MODES)}")
    host, port = parse_address(address, path=path)
    if mode == "http" and not _is_loopback(host):
        raise InvalidField(
            path,
            text,
            "over plain HTTP anybody could say who they are: listen at 127.0.0.1, for a proxy "
            "that knows its clients",
        )
    return Listener(mode, host, port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server:
    """All listeners of one identity. ``take`` is called with each new SVID."""

    def __init__(self, clients: Expected, audience: str) -> None:
        self._clients = clients
        self._audience = audience
        self._with_certificate: SVIDContext | None = None
        self._without: SVIDContext | None = None

    def take(self, answer: X509Answer) -> None:
        """Speak as this one from the next connection on. Blocks. Raises Unanswered."""
        with_certificate = server_context(answer, self._clients)
        self._without = server_context(answer, None)
        self._with_certificate = with_certificate

    def context(self, mode: str) -> Callable[[], ssl.SSLContext] | None:
        """The TLS of a listener, made for each connection; None for plain HTTP."""
        if mode == "http":
            return None

        def newest() -> ssl.SSLContext:
            found = self._with_certificate if mode.startswith("mtls") else self._without
            if found is None:
                raise ssl.SSLError("there is no SVID yet")
            return found

        return newest

    def app(self, mode: str, source: Source) -> web.Application:
        """What a listener answers: who the client is, as JSON, or 403 with the reason."""

        async def answer(request: web.Request) -> web.Response:
            peer = peer_of(request.transport and request.transport.get_extra_info("ssl_object"))
            found = {"server": source.spiffe_id, "method": request.method, "path": request.path}
            try:
                found["client"] = self._client(mode, peer, request, source)
            except (NoToken, Untrue) as error:
                return web.json_response({"error": str(error)}, status=403)
            return web.json_response(found)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    def _client(self, mode: str, peer: str, request: web.Request, source: Source) -> str:
        """Who asks; empty for nobody in particular. Raises NoToken and Untrue."""
        if mode == "http":
            return request.headers.get(ID_HEADER, "")
        if not mode.endswith("jwt"):
            return peer
        audience = self._audience or source.spiffe_id
        subject = subject_of(
            token_in(request.headers), source.keys, audience=audience, now=datetime.now(UTC)
        )
        if not self._clients.allows(subject):
            raise Untrue(f"the token is of {subject}, not of {self._clients}")
        if peer and peer != subject:
            raise Untrue(f"the token of {subject} came by {peer}")
        return subject
