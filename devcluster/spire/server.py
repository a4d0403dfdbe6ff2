"""The embedded SPIRE server on its sockets."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from api.proto import (
    agent_pb2_grpc,
    bundle_pb2_grpc,
    entry_pb2_grpc,
    svid_pb2_grpc,
    trustdomain_pb2_grpc,
    types_pb2,
)
from devcluster.spire.agents import AgentService
from devcluster.spire.authority import Authority
from devcluster.spire.bundles import BundleService
from devcluster.spire.endpoints import BundleEndpoints
from devcluster.spire.entries import EntryService
from devcluster.spire.faults import Faults
from devcluster.spire.gatekeeper import Gatekeeper
from devcluster.spire.service import hang_up, listen
from devcluster.spire.state import EntryState
from devcluster.spire.svids import SVIDService
from devcluster.spire.trustdomains import TrustDomainService

MESSAGE_LIMIT = 4 * 1024 * 1024
"""The size of a request, in bytes, beyond which real servers refuse it."""


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """The face on TCP. A port of 0 picks a free one; ``spiffe_id`` empty is a server's."""

    host: str = "127.0.0.1"
    port: int = 0
    spiffe_id: str = ""


class SpireServer:
    """One server. Make it with ``serve``.

    ``state`` is what it holds, to look at and to change behind its back;
    ``faults`` makes it misbehave; ``calls`` counts calls by method, ``writes``
    the entries that clients ``created``, ``updated`` and ``deleted``;
    ``endpoints`` are the bundle endpoints that it finds in the world;
    ``authority`` signs the SVIDs of its trust domain; ``dropped_fields``
    count from the next ``start``, when another version may come up.
    """

    def __init__(
        self,
        *,
        socket_path: Path,
        trust_domain: str,
        dropped_fields: frozenset[str],
        tcp: TLSOptions | None,
    ) -> None:
        self.socket_path = socket_path
        self.trust_domain = trust_domain
        self.state = EntryState(trust_domain, clock=time.time)
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.endpoints = BundleEndpoints(self.state)
        self.authority = Authority(trust_domain)
        self.tcp_port = tcp.port if tcp else 0
        self._tcp = tcp
        self.dropped_fields = dropped_fields
        self._bundle = types_pb2.Bundle(
            trust_domain=trust_domain,
            x509_authorities=[types_pb2.X509Certificate(asn1=self.authority.certificate_der)],
            refresh_hint=300,
            sequence_number=1,
        )
        self._server: grpc.aio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def serve(
        cls,
        *,
        socket_path: Path,
        trust_domain: str = "example.org",
        dropped_fields: frozenset[str] = frozenset(),
        tcp: TLSOptions | None = None,
    ) -> AsyncIterator["SpireServer"]:
        """Serve on a unix socket, and on TCP if asked, until the block is left.

        ``dropped_fields`` names fields of entries that the server does not
        know, as an old one does not: ``jwt_svid_ttl``, ``hint`` and the like.
        """
        server = cls(
            socket_path=socket_path,
            trust_domain=trust_domain,
            dropped_fields=dropped_fields,
            tcp=tcp,
        )
        await server.start()
        try:
            yield server
        finally:
            server.faults.clear()
            await server.stop()

    async def start(self) -> None:
        """Serve on the same sockets as before, with the state as it is."""
        if self._server is not None:
            return
        gatekeeper = Gatekeeper(self.state, self.faults, self.calls)
        server = grpc.aio.server(
            interceptors=[gatekeeper],
            options=[
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                # A port that another server has must be an error, not shared with it.
                ("grpc.so_reuseport", 0),
            ],
        )
        entries = EntryService(self.state, self.faults, self.writes, self.dropped_fields)
        entry_pb2_grpc.add_EntryServicer_to_server(entries, server)
        bundles = BundleService(self.state, self._bundle)
        bundle_pb2_grpc.add_BundleServicer_to_server(bundles, server)
        domains = TrustDomainService(self.state, self.endpoints)
        trustdomain_pb2_grpc.add_TrustDomainServicer_to_server(domains, server)
        agent_pb2_grpc.add_AgentServicer_to_server(AgentService(self.state), server)
        svid_pb2_grpc.add_SVIDServicer_to_server(SVIDService(self.authority), server)
        if self._tcp is not None:
            self._add_tcp_port(server, self._tcp)
        await listen(server, self.socket_path)
        self._server = server

    async def stop(self) -> None:
        """Break all connections and leave the sockets; the state stays."""
        server, self._server = self._server, None
        await hang_up(server, self.socket_path)

    def _add_tcp_port(self, server: grpc.aio.Server, tcp: TLSOptions) -> None:
        spiffe_id = tcp.spiffe_id or f"spiffe://{self.trust_domain}/spire/server"
        svid = self.authority.issue(spiffe_id)
        credentials = grpc.ssl_server_credentials(
            [(svid.key_pem, svid.certificate_pem)],
            root_certificates=self.authority.certificate_pem,
            require_client_auth=True,
        )
        address = f"{tcp.host}:{self.tcp_port}"
        self.tcp_port = server.add_secure_port(address, credentials)
