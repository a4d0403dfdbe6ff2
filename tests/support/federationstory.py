"""The controller manager's mode with one partner, as the tests of federation tell it."""

from api.codec import JSONObject
from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.meta import Condition, find_condition
from api.proto import types_pb2
from devcluster.spire.authority import Authority
from tests.support.controllermanager import Manager
from tests.support.federation import PARTNER, Federating
from tests.support.setup import Setup, eventually

SPIFFE_PROFILE: JSONObject = {
    "type": "https_spiffe",
    "endpointSPIFFEID": "spiffe://partner.test/spire/server",
}


class Story(Manager):
    """The controller manager's mode, and what the SPIRE server holds of other trust domains."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.held = Federating(setup)

    async def partner(self, **spec: object) -> None:
        await self.trust_domain("partner", **{**PARTNER, **spec})

    async def condition(self, name: str = "partner", type_: str = "Ready") -> Condition | None:
        return find_condition((await self.get_trust_domain(name)).status.conditions, type_)

    async def until_ready(self, reason: str, name: str = "partner") -> Condition:
        """Wait until Ready speaks of this generation, for this reason."""
        found: list[Condition] = []

        async def is_so() -> bool:
            obj = await self.get_trust_domain(name)
            ready = find_condition(obj.status.conditions, "Ready")
            found[:] = [] if ready is None else [ready]
            return (
                ready is not None
                and ready.reason == reason
                and obj.status.observed_generation == obj.metadata.generation
            )

        await eventually(is_so)
        return found[0]

    async def remove(self, name: str = "partner") -> None:
        await self.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, name)

    async def from_configmap(self, **spec: object) -> None:
        """Apply the partner whose bundle is published in partners/bundle, below bundle.json."""
        ref = {"namespace": "partners", "name": "bundle", "key": "bundle.json"}
        source = {"configMapKeyRef": ref}
        await self.partner(
            **{"bundleEndpointProfile": SPIFFE_PROFILE, "trustDomainBundleFrom": source, **spec}
        )

    async def publish(self, text: str, key: str = "bundle.json", name: str = "bundle") -> None:
        """Publish a bundle in a ConfigMap of the namespace partners."""
        await self.namespace("partners")
        await self.client.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"namespace": "partners", "name": name},
                "data": {key: text},
            }
        )

    async def unpublish(self) -> None:
        """Delete what is published."""
        await self.client.delete("/api/v1/namespaces/partners/configmaps/bundle")

    async def until_condition_is(
        self, type_: str, reason: str | None, name: str = "partner"
    ) -> Condition | None:
        """Wait until a condition has this reason; None: until there is none."""
        found: list[Condition | None] = []

        async def is_so() -> bool:
            found[:] = [await self.condition(name, type_)]
            return reason == (None if found[0] is None else found[0].reason)

        try:
            await eventually(is_so)
        except TimeoutError:
            raise AssertionError(f"{type_} of {name}: {found}") from None
        return found[0]

    async def until_event(self, reason: str, name: str = "partner") -> None:
        """Wait for an Event with that reason: Events follow what they speak of."""

        async def is_there() -> bool:
            return reason in await self.reasons(name)

        await eventually(is_there)

    async def reasons(self, name: str = "partner") -> list[str]:
        """The reasons of the Events on an object."""
        events = await self.setup.events("ClusterFederatedTrustDomain", name)
        return [event.reason for event in events]


def authority_bundle(authority: Authority, *key_ids: str) -> types_pb2.Bundle:
    """What a server of partner.test with that CA shows, with JWT keys of these IDs."""
    return types_pb2.Bundle(
        trust_domain="partner.test",
        x509_authorities=[types_pb2.X509Certificate(asn1=authority.certificate_der)],
        jwt_authorities=[types_pb2.JWTKey(key_id=key_id, public_key=b"") for key_id in key_ids],
    )
