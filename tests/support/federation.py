"""Federation in tests: bundles that say which one they are, and what a SPIRE server holds."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from registrar.identity.bundle import Bundle
from registrar.spire.federation import bundle_to_proto
from tests.support.bundledocument import dump_bundle
from tests.support.setup import Setup

PARTNER = {
    "trustDomain": "partner.test",
    # Nothing answers there, so what the server holds is what it was given.
    "bundleEndpointURL": "https://127.0.0.1:1/bundle",
    "bundleEndpointProfile": {"type": "https_web"},
}


def seed(key_id: str, trust_domain: str = "partner.test") -> Bundle:
    """A bundle with one JWT key of that ID."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Bundle(trust_domain, jwt_authorities=((key_id, der),))


def document(bundle: Bundle) -> str:
    """A bundle as trustDomainBundle has it."""
    return dump_bundle(bundle)


class Federating:
    """The bundles and relationships of the SPIRE server of a Setup, embedded or real."""

    def __init__(self, setup: Setup) -> None:
        self._server = setup.spire_server

    def urls(self) -> dict[str, str]:
        """The bundle endpoint of each relationship."""
        if isinstance(self._server, SpireServer):
            found = dict(self._server.state.relationships.items())
        else:
            found = self._server.relationships()
        return {name: item.bundle_endpoint_url for name, item in found.items()}

    def keys(self, trust_domain: str = "partner.test") -> list[str]:
        """The IDs of the JWT keys in a bundle that the server holds; empty without a bundle."""
        if isinstance(self._server, SpireServer):
            bundle = self._server.state.bundles.get(trust_domain)
        else:
            bundle = self._server.bundles().get(trust_domain)
        return [] if bundle is None else [key.key_id for key in bundle.jwt_authorities]

    def fetched(self, bundle: Bundle) -> None:
        """Let the server hold a bundle as if it had fetched it from the endpoint."""
        if isinstance(self._server, SpireServer):
            self._server.state.bundles[bundle.trust_domain] = bundle_to_proto(bundle)
        else:
            self._server.set_bundle(bundle_to_proto(bundle))

    def made_by_hand(self, trust_domain: str, url: str) -> None:
        """Make a relationship as somebody else would."""
        relationship = types_pb2.FederationRelationship(
            trust_domain=trust_domain, bundle_endpoint_url=url
        )
        relationship.https_web.SetInParent()
        if isinstance(self._server, SpireServer):
            self._server.state.relationships[trust_domain] = relationship
        else:
            self._server.set_relationship(relationship)

    def lose(self, trust_domain: str) -> None:
        """Let the server forget all that it has of a trust domain, as a lost database does."""
        if isinstance(self._server, SpireServer):
            self._server.state.relationships.pop(trust_domain, None)
            self._server.state.bundles.pop(trust_domain, None)
        else:
            self._server.lose(trust_domain)
