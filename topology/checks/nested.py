"""What the test of the nested module asserts, beside what holds of every module."""

from itertools import product

from api.kinds import CONFIG_MAP, SPIRE_ENTRY
from api.meta import ObjectKey
from topology.checks.check import Check, Untrue
from topology.checks.pairs import AUDIENCE, Place, pair_checks
from topology.checks.token import jwt_keys_of, keys_of, read_token
from topology.kinds import POD
from topology.modules import Module
from topology.reader import Reader

BUNDLE_KEY = "bundle.json"
_RECOVERY_SECONDS = 240.0


class Nested:
    """The servers of one trust domain, by their published bundles and through their agents."""

    def __init__(self, reader: Reader, module: Module, places: list[Place]) -> None:
        self._reader = reader
        self._module = module
        self._places = places
        self._deleted = ""

    def checks(self) -> list[Check]:
        """All of them; the last ones hurt a server, and look at everything again."""
        pairs = list(product(self._places, self._places))
        hurt = self._module.servers[1].name
        return [
            Check("exactly the nested servers have downstream entries", self._downstream),
            Check("every server signs JWTs with a key of its own", self._own_keys),
            Check(
                "all bundles and all agents have the same JWT keys, one of each server at least",
                self._same_keys,
            ),
            *pair_checks(pairs),
            Check(f"the Pod of {hurt}'s server is deleted", lambda: self._delete(hurt), 30),
            Check(
                f"{hurt} is well again by itself", lambda: self._is_back(hurt), _RECOVERY_SECONDS
            ),
            Check("all have the same JWT keys again", self._same_keys, _RECOVERY_SECONDS),
            *(
                Check(f"after that, {check.sentence}", check.look, check.seconds)
                for check in pair_checks(pairs)
            ),
        ]

    async def _downstream(self) -> None:
        wanted = {
            f"spiffe://{server.trust_domain}/topology/server/{server.name}"
            for server in self._module.servers
            if server.upstream
        }
        entries = await self._reader.all(SPIRE_ENTRY)
        found = {entry.spec.spiffe_id for entry in entries if entry.spec.downstream}
        # Other modules may have brought further nested servers.
        others = {name for name in found - wanted if "/topology/server/" not in name}
        if not wanted <= found or others:
            raise Untrue(f"downstream are {', '.join(sorted(found)) or 'none'}")
        for entry in entries:
            if entry.spec.downstream and "k8s:container-name:spire-server" not in (
                entry.spec.selectors
            ):
                raise Untrue(f"{entry.metadata.name} is not for the server's container alone")

    async def _own_keys(self) -> None:
        used = {place.server: await _key_in_use(place) for place in self._places}
        if len(set(used.values())) < len(used):
            raise Untrue(f"keys in use: {used}")

    async def _same_keys(self) -> None:
        holders = {}
        for place in self._places:
            bundle = await self._published(place)
            holders[f"the bundle of {place.server}"] = bundle
            keys = (await place.agent.jwt_keys()).get(place.trust_domain, b"{}")
            holders[f"the agent of {place.server}"] = jwt_keys_of(keys, place.trust_domain)
        first, *others = holders
        for other in others:
            if holders[other] != holders[first]:
                raise Untrue(
                    f"{first} has {_shown(holders[first])}, {other} has {_shown(holders[other])}"
                )
        for place in self._places:
            key = await _key_in_use(place)
            if key not in holders[first]:
                raise Untrue(f"{place.server} signs by {key}, which nobody has")

    async def _published(self, place: Place) -> dict[str, bytes]:
        key = ObjectKey(self._module.namespace, f"{place.server}-bundle")
        text = (await self._reader.get(CONFIG_MAP, key)).data.get(BUNDLE_KEY, "")
        if not text:
            raise Untrue(f"{key} has no bundle yet")
        return dict(keys_of(text, place.trust_domain).jwt_authorities)

    async def _delete(self, server: str) -> None:
        key = ObjectKey(self._module.namespace, f"{server}-server-0")
        pod = await self._reader.get(POD, key)
        await self._reader.client.delete(POD, key, uid=pod.metadata.uid)
        self._deleted = pod.metadata.uid

    async def _is_back(self, server: str) -> None:
        key = ObjectKey(self._module.namespace, f"{server}-server-0")
        pod = await self._reader.get(POD, key)
        if pod.metadata.uid == self._deleted or not pod.is_ready:
            raise Untrue("its new Pod is not ready")


async def _key_in_use(place: Place) -> str:
    return read_token(await place.agent.token(AUDIENCE)).key_id


def _shown(keys: dict[str, bytes]) -> str:
    return ", ".join(sorted(keys)) or "none"
