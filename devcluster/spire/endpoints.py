"""The bundle endpoints of other trust domains, and the server's fetching from them."""

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from api.proto import types_pb2
from devcluster.spire.state import EntryState
from devcluster.spire.validation import SCHEME

_FAILED = "failed to fetch federated bundle from endpoint: failed to fetch bundle"
_DISTRUSTED = (
    "x509svid: could not verify leaf certificate: x509: certificate signed by unknown authority"
)


class BundleEndpoints:
    """What the world outside shows by URL; where nothing is shown nobody can be reached.

    A real server asks every endpoint again and again. Here it asks when
    something could come of it: when a relationship is new or changed, when an
    endpoint begins to show a bundle, and on demand.
    """

    def __init__(self, state: EntryState) -> None:
        self._state = state
        self._shown: dict[str, types_pb2.Bundle] = {}
        self._silent: dict[str, asyncio.Event] = {}

    def show(self, url: str, bundle: types_pb2.Bundle) -> None:
        """Let an endpoint show a bundle from now on; the server hears of it at once."""
        shown = types_pb2.Bundle()
        shown.CopyFrom(bundle)
        self._shown[url] = shown
        for name, relationship in self._state.relationships.items():
            if relationship.bundle_endpoint_url == url:
                self.fetch(name)

    def hide(self, url: str) -> None:
        """Let an endpoint be out of reach; what was fetched from it stays."""
        self._shown.pop(url, None)

    @contextlib.contextmanager
    def hanging(self, url: str) -> Iterator[None]:
        """Let an endpoint take calls and not answer until the block ends."""
        ended = self._silent[url] = asyncio.Event()
        try:
            yield
        finally:
            del self._silent[url]
            ended.set()

    async def answers(self, url: str) -> None:
        """Wait while an endpoint does not answer."""
        if url in self._silent:
            await self._silent[url].wait()

    def fetch(self, trust_domain: str) -> str:
        """Fetch the bundle of a relationship's trust domain; what is wrong, empty for nothing.

        An endpoint with the profile https_spiffe shows an SVID of one of the authorities that it
        shows, which is trusted by an authority of the SVID's trust domain that is held.
        """
        relationship = self._state.relationships[trust_domain]
        url = relationship.bundle_endpoint_url
        endpoint_domain = trust_domain
        if relationship.HasField("https_spiffe"):
            endpoint_id = relationship.https_spiffe.endpoint_spiffe_id
            endpoint_domain = endpoint_id.removeprefix(SCHEME).partition("/")[0]
            if not self._state.knows_bundle(endpoint_domain):
                return "can't perform SPIFFE Authentication: local copy of bundle not found"
        bundle = self._shown.get(url)
        if bundle is None:
            parts = urlsplit(url)
            address = f"{parts.hostname}:{parts.port or 443}"
            return f'{_FAILED}: Get "{url}": dial tcp {address}: connect: connection refused'
        if (
            relationship.HasField("https_spiffe")
            and endpoint_domain == trust_domain
            and not _share_authority(bundle, self._state.bundles[trust_domain])
        ):
            return f'{_FAILED}: Get "{url}": {_DISTRUSTED}'
        fetched = types_pb2.Bundle()
        fetched.CopyFrom(bundle)
        fetched.trust_domain = trust_domain
        self._state.bundles[trust_domain] = fetched
        return ""


def _share_authority(one: types_pb2.Bundle, other: types_pb2.Bundle) -> bool:
    held = {authority.asn1 for authority in other.x509_authorities}
    return any(authority.asn1 in held for authority in one.x509_authorities)
