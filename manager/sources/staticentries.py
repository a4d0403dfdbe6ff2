"""The sources of ClusterStaticEntries, from a cluster or from a folder."""

from collections.abc import Iterator

from api.kinds import CLUSTER_STATIC_ENTRY
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from controllers import triggers
from controllers.clusterstaticentry import static_entry_claims, static_entry_statuses
from controllers.loggedoutcomes import OutcomeLogger
from controllers.source import AnySource, FirstPass, Source, all_keys, watch
from manager.caches.cache import Cache
from manager.caches.folder import FolderCache
from manager.context import Context
from manager.sources.core import status_source
from registrar.claims.classes import Classes


def static_entry_sources(
    context: Context, cache: Cache[ClusterStaticEntry], classes: Classes
) -> Iterator[AnySource]:
    """What ClusterStaticEntries of a cluster claim, and their statuses."""
    yield _claims(context, cache, classes)
    statuses = static_entry_statuses(
        context.shared,
        objects=cache.store,
        is_handled=classes,
        kube=context.kube,
        events=context.events,
        clock=context.clock,
        timestamp=context.timestamp,
    )
    yield status_source(
        context,
        "clusterstaticentry-status",
        statuses.reconcile,
        kind=CLUSTER_STATIC_ENTRY,
    )


def static_entry_sources_of_folder(
    context: Context, cache: FolderCache[ClusterStaticEntry], classes: Classes
) -> Iterator[AnySource]:
    """What ClusterStaticEntries of a folder claim; the log says what becomes of it."""
    yield _claims(context, cache, classes)
    outcomes = OutcomeLogger(context.shared, CLUSTER_STATIC_ENTRY.kind)
    yield Source(
        name="clusterstaticentry-log",
        reconcile=outcomes.reconcile,
        serves=context.shared.wake.status.of(CLUSTER_STATIC_ENTRY.kind),
    )


def _claims(
    context: Context,
    cache: Cache[ClusterStaticEntry] | FolderCache[ClusterStaticEntry],
    classes: Classes,
) -> AnySource:
    claims = static_entry_claims(
        context.shared, objects=cache.store, classes=classes, mirror=context.spire.mirror
    )
    return Source(
        name="clusterstaticentry",
        kind=CLUSTER_STATIC_ENTRY.kind,
        reconcile=claims.reconcile,
        explain=claims.explain,
        watches=[watch(cache, triggers.itself)],
        keys=all_keys(cache.store),
        first_pass=FirstPass.OBJECTS,
    )
