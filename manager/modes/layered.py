"""The layered mode: ClusterSpiffeIds that people write, or that the pod controller makes."""

from collections.abc import Iterator

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID, NAMESPACE, NODE, POD
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.clusterspiffeid import MADE_FOR_PODS, refusable_cluster_spiffe_ids
from controllers.confirmation import ByRecord
from controllers.lastgood import no_sign
from controllers.madeobjects import MADE_FOR_INDEX
from controllers.source import AnySource
from manager.caches.cache import Cache, Caches, spire_entry_cache
from manager.context import Context
from manager.modes.mode import Mode
from manager.sources.clusterspiffeids import cluster_spiffe_id_sources, layered_pod_sources
from registrar.claims.attribution import owner_uid_of
from registrar.claims.claim import REGISTRAR
from registrar.claims.clusterspiffeid import alias_claim
from registrar.claims.instance import made_for_cluster_spiffe_ids
from registrar.claims.pods import identity_slice
from registrar.kube.store import Store
from registrar.settings.model import Settings


def layered(settings: Settings) -> Mode:
    """The mode; Pods and Namespaces are read only for the pod controller."""
    identity = settings.pods
    objects: Cache[ClusterSpiffeId] = Cache(
        CLUSTER_SPIFFE_ID,
        Store({MADE_FOR_INDEX: MADE_FOR_PODS.index}, packed=CLUSTER_SPIFFE_ID.type),
    )
    spire_entries = spire_entry_cache()
    pods: Cache[Pod] = Cache(
        POD,
        Store(packed=POD.type),
        transform=None if identity is None else lambda pod: identity_slice(pod, identity),
    )
    namespaces: Cache[Namespace] = Cache(NAMESPACE, Store())
    alias = alias_claim(settings.trust_domain, settings.cluster, settings.class_name)

    def sources(context: Context) -> Iterator[AnySource]:
        if identity is not None:
            yield from layered_pod_sources(
                context, identity, objects=objects, pods=pods, namespaces=namespaces
            )
        yield from cluster_spiffe_id_sources(context, objects, makes=identity is not None)

    unused = {"node", "trust_domain", "bundle"}
    return Mode(
        caches=Caches(
            [objects, spire_entries]
            if identity is None
            else [objects, spire_entries, namespaces, pods]
        ),
        spire_entries=spire_entries,
        sources=lambda context: list(sources(context)),
        unused=frozenset(unused if identity is not None else unused | {"pod", "made", "released"}),
        without_status=frozenset({REGISTRAR, POD.kind, NODE.kind}),
        made=made_for_cluster_spiffe_ids(alias.key),
        sign_of=no_sign if identity is None else owner_uid_of,
        alias=alias,
        confirmation=lambda context: ByRecord(
            context.shared,
            alias_key=alias.key,
            objects=spire_entries.store,
            kube=context.kube,
            events=context.events,
        ),
        refusable=(refusable_cluster_spiffe_ids(objects.store, settings.class_name),),
    )
