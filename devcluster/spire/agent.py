"""A pretended agent: holds the SVIDs of its node's workloads, and hands them to a delegate.

It takes its entries from an embedded server at each sync, as a real agent does
every 5 s. It does not attest: whose child an entry is does not matter here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc

from api.proto import delegatedidentity_pb2_grpc, types_pb2
from devcluster.spire.authority import SVID, Authority
from devcluster.spire.delegatedidentity import DelegatedIdentityService, Issued, Selectors
from devcluster.spire.jwtauthority import JWTAuthority
from devcluster.spire.service import hang_up, listen
from devcluster.spire.state import EntryState
from devcluster.spire.validation import id_text


class Agent:
    """One agent. Make it with ``serve``.

    ``is_delegate`` False: callers are no authorised delegates. ``ttl_seconds`` is how long
    SVIDs live; they are renewed at half of it. ``jwt_ttl_seconds`` the same for tokens.
    """

    def __init__(
        self,
        state: EntryState,
        authority: Authority,
        *,
        admin_socket: Path,
        ttl_seconds: float,
        jwt_ttl_seconds: int,
        sync_seconds: float,
    ) -> None:
        self.admin_socket = admin_socket
        self.ttl_seconds = ttl_seconds
        self.jwt_ttl_seconds = jwt_ttl_seconds
        self.sync_seconds = sync_seconds
        self.is_delegate = True
        self.is_silent = False
        """Whether streams that are open say nothing more, as those of an agent that hangs."""
        self.jwt_fails = False
        """Whether tokens are refused."""
        self.refusals = 0
        """Calls so far of somebody who is no delegate; a real agent logs an error for each."""
        self.streams = 0
        """Subscriptions that are open now."""
        self.subscriptions = 0
        """Subscriptions so far."""
        self.authorities = [authority]
        """What is in the bundle; the last one signs."""
        self.jwt_authority = JWTAuthority("jwt-1")
        self.federated_jwt: dict[str, JWTAuthority] = {}
        """JWT authorities of other trust domains, by name."""
        self._state = state
        self._issued: dict[str, Issued] = {}
        self._selectors: dict[str, Selectors] = {}
        """Of the entries that are synced, in the order of their creation."""
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def serve(
        cls,
        state: EntryState,
        authority: Authority,
        *,
        admin_socket: Path,
        ttl_seconds: float = 3600.0,
        jwt_ttl_seconds: int = 300,
        sync_seconds: float = 0.05,
    ) -> AsyncIterator["Agent"]:
        """Serve the Delegated Identity API on a unix socket until the block is left."""
        agent = cls(
            state,
            authority,
            admin_socket=admin_socket,
            ttl_seconds=ttl_seconds,
            jwt_ttl_seconds=jwt_ttl_seconds,
            sync_seconds=sync_seconds,
        )
        await agent.start()
        async with asyncio.TaskGroup() as tasks:
            syncing = tasks.create_task(agent._keep_synced())
            try:
                yield agent
            finally:
                syncing.cancel()
                await agent.stop()

    async def start(self) -> None:
        """Serve on the same socket as before."""
        if self._server is not None:
            return
        self.sync()
        server = grpc.aio.server()
        service = DelegatedIdentityService(self)
        delegatedidentity_pb2_grpc.add_DelegatedIdentityServicer_to_server(service, server)
        await listen(server, self.admin_socket)
        self._server = server

    async def stop(self) -> None:
        """Break all streams and leave the socket; the SVIDs are forgotten, as in memory."""
        server, self._server = self._server, None
        await hang_up(server, self.admin_socket)
        self._issued.clear()
        self._selectors.clear()

    # What tests and the demo do to it.

    def sync(self) -> None:
        """Take the entries over from the server, as they are now."""
        entries = {entry.id: entry for entry in self._state.entries()}
        before = dict(self._issued)
        for entry_id in self._issued.keys() - entries.keys():
            del self._issued[entry_id]
        now = time.time()
        for entry_id, entry in entries.items():
            known = self._issued.get(entry_id)
            is_young = known is not None and known.expires_at - now > self._ttl_of(entry) / 2
            if known is None or not is_young or known.entry != entry:
                self._issue(entry)
        self._selectors = {
            entry.id: frozenset((s.type, s.value) for s in entry.selectors)
            for entry in entries.values()
            if entry.selectors
        }
        if self._issued != before:
            self.changed()

    def rotate(self, *entry_ids: str) -> None:
        """Give these entries a new SVID now; without any, all of them."""
        for entry_id, issued in list(self._issued.items()):
            if not entry_ids or entry_id in entry_ids:
                self._issue(issued.entry)
        self.changed()

    def mix_up(self, entry_id: str) -> None:
        """Give an entry, as long as it lives, a key that is not its certificate's."""
        self.sync()
        known = self._issued[entry_id]
        other = self.authorities[-1].issue(known.svid.spiffe_id)
        svid = SVID(known.svid.spiffe_id, known.svid.certificate, other.key)
        self._issued[entry_id] = replace(known, svid=svid)
        self.changed()

    def add_authority(self) -> Authority:
        """Put a new authority into the bundle; it signs from the next rotation on."""
        self.authorities.append(Authority(self.authorities[-1].trust_domain))
        self.changed()
        return self.authorities[-1]

    def drop_authorities(self) -> None:
        """Take all authorities but the last one out of the bundle."""
        del self.authorities[:-1]
        self.changed()

    def changed(self) -> None:
        """Let every stream look."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # What the service asks.

    async def next_change(self) -> None:
        """Wait until something changes."""
        await self._changed.wait()

    def issued_for(self, selectors: Selectors) -> list[Issued]:
        """The SVIDs of workloads with those selectors, the oldest entry's first."""
        return [
            self._issued[entry_id]
            for entry_id, wanted in self._selectors.items()
            if wanted <= selectors
        ]

    def x509_bundles(self) -> dict[str, list[bytes]]:
        """Certificates of authorities, DER, by trust domain: our own and those federated with."""
        own = self.authorities[-1].trust_domain
        bundles = {own: [authority.certificate_der for authority in self.authorities]}
        for name, bundle in self._state.bundles.items():
            bundles[name] = [authority.asn1 for authority in bundle.x509_authorities]
        return bundles

    def jwt_bundles(self) -> dict[str, bytes]:
        """JWKS documents by trust domain."""
        own = self.authorities[-1].trust_domain
        others = {name: authority.jwks() for name, authority in self.federated_jwt.items()}
        return {own: self.jwt_authority.jwks(), **others}

    def jwt_svids(self, selectors: Selectors, audiences: Sequence[str]) -> list[types_pb2.JWTSVID]:
        """A token for each entry of workloads with those selectors."""
        return [self._jwt(issued.entry, audiences) for issued in self.issued_for(selectors)]

    def _jwt(self, entry: types_pb2.Entry, audiences: Sequence[str]) -> types_pb2.JWTSVID:
        made = self.jwt_authority.sign(
            id_text(entry.spiffe_id), audiences, ttl_seconds=self.jwt_ttl_seconds
        )
        return types_pb2.JWTSVID(
            token=made.token,
            id=entry.spiffe_id,
            expires_at=made.expires_at,
            issued_at=made.issued_at,
            hint=entry.hint,
        )

    def _issue(self, entry: types_pb2.Entry) -> None:
        ttl = self._ttl_of(entry)
        svid = self.authorities[-1].issue(
            id_text(entry.spiffe_id), dns_names=entry.dns_names, ttl_seconds=ttl
        )
        expires_at = int(svid.certificate.not_valid_after_utc.timestamp())
        kept = types_pb2.Entry()
        kept.CopyFrom(entry)
        self._issued[entry.id] = Issued(kept, svid, expires_at)

    def _ttl_of(self, entry: types_pb2.Entry) -> float:
        return entry.x509_svid_ttl or self.ttl_seconds

    async def _keep_synced(self) -> None:
        while True:
            await asyncio.sleep(self.sync_seconds)
            if self._server is not None:
                self.sync()
