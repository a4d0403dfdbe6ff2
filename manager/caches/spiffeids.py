"""The caches of crd mode."""

from collections.abc import Iterable

from api.core import Namespace, Node, Pod
from api.kinds import NODE, SPIFFE_ID
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from controllers.madeobjects import MADE_FOR_INDEX
from controllers.spiffeid import MADE_SPIFFE_IDS
from manager.caches.cache import AnyCache, Cache, Caches, spire_entry_cache
from manager.caches.podentries import NAMESPACE_INDEX, namespace_cache, pod_cache
from manager.caches.services import ServiceCaches
from registrar.claims.claim import Claim
from registrar.claims.naming import canonical_bytes, xxh3_128
from registrar.claims.spiffeid import claim_of
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.store import Store
from registrar.settings.model import CRDMode, Settings

_KEY_INDEX = "key"


class SpiffeIDCaches:
    """SpiffeIDs; Pods and Nodes where SpiffeIDs are made for them; services where these are asked.

    ``own_namespace`` is the one that the registrar runs in.
    """

    def __init__(self, settings: Settings, config: CRDMode, *, own_namespace: str) -> None:
        self._trust_domain = settings.trust_domain
        self._own_namespace = own_namespace
        self._allows_downstream = config.namespaced_downstream
        self.spiffe_ids: Cache[SpiffeID] = Cache(
            SPIFFE_ID,
            Store(
                {
                    MADE_FOR_INDEX: MADE_SPIFFE_IDS.index,
                    NAMESPACE_INDEX: lambda obj: (obj.metadata.namespace,),
                    # Only the webhook asks who else wants the same.
                    _KEY_INDEX: self._keys_of if config.webhook is not None else lambda _: (),
                },
                packed=SPIFFE_ID.type,
            ),
        )
        self.spire_entries = spire_entry_cache(optional=True)
        self.namespaces: Cache[Namespace] = namespace_cache()
        self.pods: Cache[Pod] = pod_cache()
        self.nodes: Cache[Node] = Cache(NODE, Store())
        caches: list[AnyCache] = [self.spire_entries, self.namespaces, self.spiffe_ids]
        if settings.pods is not None:
            caches += [self.nodes, self.pods]
        self.all = Caches(caches)
        self.services = ServiceCaches(self.all, ()) if config.service_dns_names else None
        if self.services is not None:
            # Known before the first look: what is released after it must be known to be unwanted.
            self.all.require(self.services.settled)
            self.all.declare(self.services.slices)

    def claims_on(self, key: EntryKey) -> Iterable[Claim]:
        """The claims of all stored SpiffeIDs on a key, for the webhook."""
        for name in self.spiffe_ids.store.by_index(_KEY_INDEX, _hash(key)):
            obj = self.spiffe_ids.store.get(name)
            claim = None if obj is None else self._claim_of(obj)
            if claim is not None:
                yield claim

    def _claim_of(self, obj: SpiffeID) -> Claim | None:
        try:
            return claim_of(
                obj,
                trust_domain=self._trust_domain,
                own_namespace=self._own_namespace,
                allows_downstream=self._allows_downstream,
            )
        except InvalidField:
            return None

    def _keys_of(self, obj: SpiffeID) -> Iterable[str]:
        claim = self._claim_of(obj)
        return () if claim is None else (_hash(claim.key),)


def _hash(key: EntryKey) -> str:
    return xxh3_128(canonical_bytes("", key)).hex()
