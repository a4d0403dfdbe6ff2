"""The servers that the suite runs against: the embedded one and a real one.

The real one is built by ``make tools``, unless ``SPIRE_SERVER_SOCKET`` names the private API
socket of another. Every test works below a path of its own and takes away what it made, so that
the server may be shared; ``SPIRE_TRUST_DOMAIN`` says which trust domain it serves, else it is
asked.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from api.proto import (
    bundle_pb2,
    bundle_pb2_grpc,
    entry_pb2,
    entry_pb2_grpc,
    trustdomain_pb2,
    trustdomain_pb2_grpc,
    types_pb2,
)
from devcluster.spire.server import SpireServer

DEADLINE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and a corner of it that nobody else uses."""

    channel: grpc.aio.Channel
    trust_domain: str
    corner: str = field(default_factory=lambda: f"conformance-{uuid.uuid4().hex}")

    def spiffe_id(self, path: str) -> types_pb2.SPIFFEID:
        return types_pb2.SPIFFEID(trust_domain=self.trust_domain, path=f"/{self.corner}{path}")

    @property
    def parent(self) -> types_pb2.SPIFFEID:
        return self.spiffe_id("/node")

    @property
    def in_corner(self) -> entry_pb2.ListEntriesRequest.Filter:
        return entry_pb2.ListEntriesRequest.Filter(by_parent_id=self.parent)

    def entry(self, path: str = "/web", *selectors: str) -> types_pb2.Entry:
        """A valid entry; selectors are written ``type:value``."""
        return types_pb2.Entry(
            spiffe_id=self.spiffe_id(path),
            parent_id=self.parent,
            selectors=[selector(text) for text in selectors or ("k8s:ns:shop",)],
        )

    def foreign_domain(self) -> str:
        return f"{uuid.uuid4().hex}.{self.corner}.test"

    async def create(
        self, *entries: types_pb2.Entry
    ) -> list[entry_pb2.BatchCreateEntryResponse.Result]:
        stub = entry_pb2_grpc.EntryStub(self.channel)
        request = entry_pb2.BatchCreateEntryRequest(entries=entries)
        return list((await stub.BatchCreateEntry(request, timeout=DEADLINE_SECONDS)).results)

    async def created(self, *entries: types_pb2.Entry) -> list[types_pb2.Entry]:
        results = await self.create(*entries)
        assert [result.status.message for result in results] == ["OK"] * len(entries)
        return [result.entry for result in results]

    async def get(self, entry_id: str) -> types_pb2.Entry:
        stub = entry_pb2_grpc.EntryStub(self.channel)
        request = entry_pb2.GetEntryRequest(id=entry_id)
        return await stub.GetEntry(request, timeout=DEADLINE_SECONDS)

    async def update(
        self, entry: types_pb2.Entry, mask: types_pb2.EntryMask | None = None
    ) -> entry_pb2.BatchUpdateEntryResponse.Result:
        stub = entry_pb2_grpc.EntryStub(self.channel)
        request = entry_pb2.BatchUpdateEntryRequest(entries=[entry], input_mask=mask)
        return (await stub.BatchUpdateEntry(request, timeout=DEADLINE_SECONDS)).results[0]

    async def delete(self, *ids: str) -> list[entry_pb2.BatchDeleteEntryResponse.Result]:
        stub = entry_pb2_grpc.EntryStub(self.channel)
        request = entry_pb2.BatchDeleteEntryRequest(ids=ids)
        return list((await stub.BatchDeleteEntry(request, timeout=DEADLINE_SECONDS)).results)

    async def find(
        self, mask: types_pb2.EntryMask | None = None, **filters: Message
    ) -> list[types_pb2.Entry]:
        """The entries of the corner that pass these filters, in one message."""
        stub = entry_pb2_grpc.EntryStub(self.channel)
        request = entry_pb2.ListEntriesRequest(filter=self.in_corner, output_mask=mask)
        for name, value in filters.items():
            getattr(request.filter, name).CopyFrom(value)
        return list((await stub.ListEntries(request, timeout=DEADLINE_SECONDS)).entries)

    async def set_bundle(self, bundle: types_pb2.Bundle) -> types_pb2.Status:
        stub = bundle_pb2_grpc.BundleStub(self.channel)
        request = bundle_pb2.BatchSetFederatedBundleRequest(bundle=[bundle])
        response = await stub.BatchSetFederatedBundle(request, timeout=DEADLINE_SECONDS)
        return response.results[0].status

    async def tidy(self) -> None:
        """Take away everything in the corner."""
        entries = entry_pb2_grpc.EntryStub(self.channel)
        token, ids = "", []
        while True:
            page = await entries.ListEntries(
                entry_pb2.ListEntriesRequest(page_size=500, page_token=token), timeout=60
            )
            ids += [e.id for e in page.entries if self._is_mine(e)]
            if not (token := page.next_page_token):
                break
        if ids:
            await self.delete(*ids)
        await self._tidy_federation()

    def _is_mine(self, entry: types_pb2.Entry) -> bool:
        corner = f"/{self.corner}/"
        return entry.parent_id.path.startswith(corner) or entry.spiffe_id.path.startswith(corner)

    async def _tidy_federation(self) -> None:
        domains = trustdomain_pb2_grpc.TrustDomainStub(self.channel)
        found = await domains.ListFederationRelationships(
            trustdomain_pb2.ListFederationRelationshipsRequest(), timeout=DEADLINE_SECONDS
        )
        mine = [
            relationship.trust_domain
            for relationship in found.federation_relationships
            if self.corner in relationship.trust_domain
        ]
        if mine:
            await domains.BatchDeleteFederationRelationship(
                trustdomain_pb2.BatchDeleteFederationRelationshipRequest(trust_domains=mine),
                timeout=DEADLINE_SECONDS,
            )
        stub = bundle_pb2_grpc.BundleStub(self.channel)
        bundles = await stub.ListFederatedBundles(
            bundle_pb2.ListFederatedBundlesRequest(), timeout=DEADLINE_SECONDS
        )
        names = [bundle.trust_domain for bundle in bundles.bundles]
        mine = [name for name in names if self.corner in name]
        if mine:
            await stub.BatchDeleteFederatedBundle(
                bundle_pb2.BatchDeleteFederatedBundleRequest(trust_domains=mine),
                timeout=DEADLINE_SECONDS,
            )


def selector(text: str) -> types_pb2.Selector:
    kind, _, value = text.partition(":")
    return types_pb2.Selector(type=kind, value=value)


@asynccontextmanager
async def _socket(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Path]:
    if request.param == "embedded":
        async with SpireServer.serve(socket_path=folder / "spire.sock") as server:
            yield server.socket_path
        return
    named = os.environ.get("SPIRE_SERVER_SOCKET")
    if named:
        yield Path(named)
        return
    server = request.getfixturevalue("real_spire_server")
    yield server.socket_path


REAL = pytest.param(
    "real",
    marks=() if os.environ.get("SPIRE_SERVER_SOCKET") else pytest.mark.real("spire"),
)
"""The parameter for a real server; one that is named need not be built."""


@pytest.fixture(params=["embedded", REAL])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    async with (
        _socket(request, tmp_path) as path,
        grpc.aio.insecure_channel(
            f"unix:{path}", options=[("grpc.default_authority", "localhost")]
        ) as channel,
    ):
        name = os.environ.get("SPIRE_TRUST_DOMAIN") if request.param == "real" else ""
        if not name:
            bundle = await bundle_pb2_grpc.BundleStub(channel).GetBundle(
                bundle_pb2.GetBundleRequest(), timeout=DEADLINE_SECONDS
            )
            name = bundle.trust_domain
        target = Target(channel, name)
        try:
            yield target
        finally:
            await target.tidy()
