"""The real SPIRE server and agent as fixtures, and what a test sees of the server."""

import contextlib
import os
from collections.abc import Iterator

import grpc
import pytest

from api.proto import (
    bundle_pb2,
    bundle_pb2_grpc,
    entry_pb2,
    entry_pb2_grpc,
    trustdomain_pb2,
    trustdomain_pb2_grpc,
    types_pb2,
)
from hack.spire import RealAgent, RealServer, ServerOptions

DELEGATE = "/delegate"
"""The path of the SPIFFE ID that these tests have at `real_spire_agent`."""

ADMIN = "/admin"
"""The path of a SPIFFE ID that may call `real_spire_server` over TCP, by its configuration."""


@pytest.fixture(scope="session")
def real_spire_server() -> Iterator[RealServer]:
    """A running server for example.org, one for each test process.

    Tests share it, so each takes away the entries, bundles and relationships that it made; one
    that stops the server starts it again.
    """
    options = ServerOptions(admin_ids=(f"spiffe://example.org{ADMIN}",), federation=True)
    with RealServer(options) as server:
        yield server


@pytest.fixture(scope="session")
def real_spire_agent(real_spire_server: RealServer) -> Iterator[RealAgent]:
    """A running agent of that server, where whoever runs the tests is `DELEGATE`."""
    server = real_spire_server
    delegate = f"spiffe://{server.trust_domain}{DELEGATE}"
    with RealAgent(server, authorized_delegates=(delegate,)) as agent:
        server.ask(
            *("entry", "create", "-parentID", agent.id, "-spiffeID", delegate),
            *("-selector", f"unix:uid:{os.getuid()}"),
        )
        agent.wait_for_identity(delegate)
        yield agent


_SECONDS = 30.0


class SharedSpire:
    """A real server as one test sees it: without what was there before; cleaned afterwards.

    It asks with blocking calls, as a look at an embedded server's state is one.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._entries = entry_pb2_grpc.EntryStub(channel)
        self._bundles = bundle_pb2_grpc.BundleStub(channel)
        self._domains = trustdomain_pb2_grpc.TrustDomainStub(channel)
        self._before = {entry.id for entry in self._all()}

    @classmethod
    @contextlib.contextmanager
    def use(cls, server: RealServer) -> Iterator["SharedSpire"]:
        """Use a server until the block ends."""
        # A test may restart the server, and looks for it again at once.
        options = [
            ("grpc.default_authority", "localhost"),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        with grpc.insecure_channel(f"unix:{server.socket_path}", options=options) as channel:
            shared = cls(channel)
            try:
                yield shared
            finally:
                shared.clean()

    def entries(self) -> list[types_pb2.Entry]:
        """All entries that were made since."""
        return [entry for entry in self._all() if entry.id not in self._before]

    def put(self, entry: types_pb2.Entry) -> types_pb2.Entry:
        """Make an entry as somebody else would; gives it as it is stored."""
        request = entry_pb2.BatchCreateEntryRequest(entries=[entry])
        (result,) = self._entries.BatchCreateEntry(request).results
        assert result.status.code == 0, result.status.message
        return self._entries.GetEntry(entry_pb2.GetEntryRequest(id=result.entry.id))

    def delete(self, entry_id: str) -> None:
        """Delete an entry as somebody else would."""
        request = entry_pb2.BatchDeleteEntryRequest(ids=[entry_id])
        (result,) = self._entries.BatchDeleteEntry(request).results
        assert result.status.code == 0, result.status.message

    def set_bundle(self, bundle: types_pb2.Bundle) -> None:
        """Give the server another trust domain's bundle."""
        request = bundle_pb2.BatchSetFederatedBundleRequest(bundle=[bundle])
        (result,) = self._bundles.BatchSetFederatedBundle(request).results
        assert result.status.code == 0, result.status.message

    def relationships(self) -> dict[str, types_pb2.FederationRelationship]:
        """Whom it federates with."""
        request = trustdomain_pb2.ListFederationRelationshipsRequest()
        found = self._domains.ListFederationRelationships(request).federation_relationships
        return {relationship.trust_domain: relationship for relationship in found}

    def set_relationship(self, relationship: types_pb2.FederationRelationship) -> None:
        """Make a federation relationship as somebody else would."""
        request = trustdomain_pb2.BatchCreateFederationRelationshipRequest(
            federation_relationships=[relationship]
        )
        (result,) = self._domains.BatchCreateFederationRelationship(request).results
        assert result.status.code == 0, result.status.message

    def bundles(self) -> dict[str, types_pb2.Bundle]:
        """The bundles of other trust domains that it holds."""
        listed = self._bundles.ListFederatedBundles(bundle_pb2.ListFederatedBundlesRequest())
        return {bundle.trust_domain: bundle for bundle in listed.bundles}

    def lose(self, *trust_domains: str) -> None:
        """Take away the relationships with trust domains, and their bundles."""
        self._domains.BatchDeleteFederationRelationship(
            trustdomain_pb2.BatchDeleteFederationRelationshipRequest(trust_domains=trust_domains)
        )
        self._bundles.BatchDeleteFederatedBundle(
            bundle_pb2.BatchDeleteFederatedBundleRequest(
                trust_domains=trust_domains,
                mode=bundle_pb2.BatchDeleteFederatedBundleRequest.Mode.DISSOCIATE,
            )
        )

    def clean(self) -> None:
        """Take away what was made since."""
        ids = [entry.id for entry in self.entries()]
        self._entries.BatchDeleteEntry(entry_pb2.BatchDeleteEntryRequest(ids=ids))
        self.lose(*{*self.relationships(), *self.bundles()})

    def _all(self) -> list[types_pb2.Entry]:
        request = entry_pb2.ListEntriesRequest()
        listed = self._entries.ListEntries(request, wait_for_ready=True, timeout=_SECONDS)
        return list(listed.entries)
