"""What the test of the federated module asserts, beside what holds of every module."""

from collections.abc import Callable, Coroutine, Sequence

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, CONFIG_MAP
from api.meta import ObjectKey, find_condition
from registrar.identity.bundle import Bundle
from topology.checks.check import Check, Untrue
from topology.checks.nested import BUNDLE_KEY
from topology.checks.pairs import Place, pair_checks
from topology.checks.token import jwt_keys_of, keys_of
from topology.modules import Module
from topology.reader import Reader

CONDITIONS = ("Ready", "BundleAvailable", "BundleFresh", "BundleSourceRead")
_ARRIVAL_SECONDS = 120.0
"""A refresh comes each minute, and sooner by the server itself; twice that on a busy machine."""

Look = Callable[[], Coroutine[None, None, None]]


class Federated:
    """The servers of the module, each of which federates with the trust domain of the other.

    ``upper`` are the servers of the nested module, whose keys arrive by one that federates.
    """

    def __init__(
        self, reader: Reader, module: Module, places: Sequence[Place], upper: Sequence[Place]
    ) -> None:
        self._reader = reader
        self._module = module
        self._places = places
        self._upper = upper

    def checks(self) -> list[Check]:
        """All of them."""
        ours, theirs = self._places
        both = [(ours, theirs), (theirs, ours)]
        # Relationships are of one server: nobody else of its trust domain takes what comes by it.
        pairs = [*both, *((place, theirs) for place in self._upper)]
        return [
            Check(
                "both servers federate, and can fetch the bundle of the other",
                self._conditions,
                _ARRIVAL_SECONDS,
            ),
            *(
                Check(
                    f"all keys of {giver.trust_domain} arrive at the agent of {taker.server}",
                    self._all_keys(giver, taker),
                    _ARRIVAL_SECONDS,
                )
                for giver, taker in both
            ),
            *pair_checks(pairs),
        ]

    async def _conditions(self) -> None:
        label = self._module.selector
        found = await self._reader.all(CLUSTER_FEDERATED_TRUST_DOMAIN, label=label)
        if len(found) != len(self._places):
            raise Untrue(f"there are {len(found)} ClusterFederatedTrustDomains")
        wrong = []
        for each in found:
            for type_ in CONDITIONS:
                condition = find_condition(each.status.conditions, type_)
                if condition is None:
                    wrong.append(f"{each.metadata.name}: no {type_} yet")
                elif condition.status != "True":
                    wrong.append(f"{each.metadata.name}: {type_}: {condition.message}")
        if wrong:
            raise Untrue("; ".join(wrong))

    def _all_keys(self, giver: Place, taker: Place) -> Look:
        async def look() -> None:
            published = await self._published(giver)
            name = giver.trust_domain
            jwt = jwt_keys_of((await taker.agent.jwt_keys()).get(name, b"{}"), name)
            wanted = dict(published.jwt_authorities)
            if jwt != wanted:
                raise Untrue(f"it has the JWT keys {sorted(jwt)}, published are {sorted(wanted)}")
            authorities = (await taker.agent.x509()).authorities.get(name, ())
            if set(authorities) != set(published.x509_authorities):
                number = len(published.x509_authorities)
                raise Untrue(f"it has {len(authorities)} X.509 authorities, published are {number}")

        return look

    async def _published(self, place: Place) -> Bundle:
        key = ObjectKey(self._module.namespace, f"{place.server}-bundle")
        text = (await self._reader.get(CONFIG_MAP, key)).data.get(BUNDLE_KEY, "")
        if not text:
            raise Untrue(f"{key} has no bundle yet")
        return keys_of(text, place.trust_domain)
