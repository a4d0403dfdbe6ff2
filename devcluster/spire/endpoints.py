"""The bundle endpoints of other trust domains, and the server's fetching from them."""

from api.proto import types_pb2
from devcluster.spire.state import EntryState
from devcluster.spire.validation import SCHEME


class BundleEndpoints:
    """What the world outside shows by URL; where nothing is shown nobody can be reached.

    A real server asks every endpoint again and again. Here it asks when
    something could come of it: when a relationship is new or changed, when an
    endpoint begins to show a bundle, and on demand.
    """

    def __init__(self, state: EntryState) -> None:
        self._state = state
        self._shown: dict[str, types_pb2.Bundle] = {}

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

    def fetch(self, trust_domain: str) -> bool:
        """Fetch the bundle of a relationship's trust domain; False when that fails.

        An endpoint with the profile https_spiffe shows an SVID: without the
        bundle of the SVID's trust domain it is not to be trusted.
        """
        relationship = self._state.relationships[trust_domain]
        bundle = self._shown.get(relationship.bundle_endpoint_url)
        if bundle is None:
            return False
        if relationship.HasField("https_spiffe"):
            endpoint_id = relationship.https_spiffe.endpoint_spiffe_id
            if not self._state.knows_bundle(endpoint_id.removeprefix(SCHEME).partition("/")[0]):
                return False
        fetched = types_pb2.Bundle()
        fetched.CopyFrom(bundle)
        fetched.trust_domain = trust_domain
        self._state.bundles[trust_domain] = fetched
        return True
