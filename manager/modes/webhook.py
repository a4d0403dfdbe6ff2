"""The workload registrar's webhook mode: Pods as the API server asks about them."""

import asyncio

from controllers.confirmation import ByRecord, Confirmation, WhereRecorded, by_own_namespace
from manager.caches.announced import AnnouncedOrStored
from manager.caches.cache import Caches, spire_entry_cache
from manager.caches.podentries import namespace_cache, pod_cache
from manager.context import Context
from manager.modes.mode import Mode
from manager.podwebhook import PodWebhook
from manager.sources.podentries import PodsToEntries, pod_entry_sources
from registrar.claims.announced import AnnouncedPods
from registrar.claims.claim import REGISTRAR
from registrar.claims.instance import form_of_pods, made_for_pods
from registrar.claims.podentry import (
    WORKLOAD_REGISTRAR,
    PodEntries,
    cluster_claim,
    root_path,
    source_of_key,
)
from registrar.settings.model import PodIdentity, Settings, WebhookMode


def webhook(settings: Settings, config: WebhookMode, *, namespace: str) -> Mode:
    """The mode. ``namespace`` is the one that it runs in, empty outside of a cluster."""
    rules = PodEntries(
        trust_domain=settings.trust_domain,
        cluster=settings.cluster,
        identity=settings.pods or PodIdentity("service_account"),
        root=root_path(WORKLOAD_REGISTRAR, settings.cluster),
        per_node=False,
    )
    alias = cluster_claim(rules)
    form = form_of_pods(rules, alias.key)
    pods, namespaces = pod_cache(optional=True), namespace_cache()
    spire_entries = spire_entry_cache(optional=True)
    announced = AnnouncedPods(lambda: asyncio.get_running_loop().time())
    known = AnnouncedOrStored(pods, announced)

    def confirmation(context: Context) -> Confirmation:
        """On the registrar's own SpireEntry; on its Namespace where that is not recorded."""
        record = ByRecord(
            context.shared,
            alias_key=alias.key,
            objects=spire_entries.store,
            kube=context.kube,
            events=context.events,
        )
        other = by_own_namespace(
            context.shared, name=namespace, namespaces=namespaces.store, events=context.events
        )
        return WhereRecorded(record, other, is_recorded=lambda: spire_entries.is_available)

    pods_to_entries = PodsToEntries(
        rules=rules, pods=pods, known_pods=known, namespaces=namespaces, announced=known
    )
    return Mode(
        caches=Caches([spire_entries, namespaces, pods]),
        spire_entries=spire_entries,
        sources=lambda context: list(pod_entry_sources(context, pods_to_entries)),
        unused=frozenset({"node", "made", "released", "trust_domain", "bundle"}),
        without_status=frozenset({REGISTRAR}),
        made=made_for_pods(form),
        form=form,
        sign_of=lambda key: source_of_key(key, rules),
        own_namespace=namespace,
        alias=alias,
        confirmation=confirmation,
        # Its certificate comes from files, so nothing is minted.
        webhook=lambda _, __: PodWebhook(
            config, announced, wake=known.changed, created=known.created
        ),
    )
