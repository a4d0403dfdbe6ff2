"""The workload registrar's reconcile mode: an entry for each Node and each Pod on it."""

from api.core import Node
from api.kinds import NODE
from manager.caches.cache import Cache, Caches, spire_entry_cache
from manager.caches.podentries import StoredPods, namespace_cache, pod_cache
from manager.caches.services import ServiceCaches
from manager.modes.mode import Mode, confirmed_on_namespace
from manager.sources.podentries import PodsToEntries, pod_entry_sources
from registrar.claims.instance import form_of_pods, made_for_pods
from registrar.claims.podentry import PodEntries, root_path, source_of_key
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity, ReconcileMode, Settings


def reconcile(settings: Settings, config: ReconcileMode, *, namespace: str) -> Mode:
    """The mode. ``namespace`` is the one that it runs in, empty outside of a cluster."""
    rules = PodEntries(
        trust_domain=settings.trust_domain,
        cluster=settings.cluster,
        identity=settings.pods or PodIdentity("service_account"),
        root=root_path(config.controller_name, settings.cluster),
        per_node=True,
        dns_zone=config.dns_zone,
    )
    form = form_of_pods(rules, None)
    pods, namespaces, spire_entries = (
        pod_cache(),
        namespace_cache(),
        spire_entry_cache(optional=True),
    )
    nodes: Cache[Node] = Cache(NODE, Store())
    caches = Caches([spire_entries, namespaces, nodes, pods])
    services = ServiceCaches(caches, ()) if config.dns_zone else None
    if services is not None:
        # Known before the first look: what is released after it must be known to be unwanted.
        caches.require(services.settled)
        caches.declare(services.slices)
    pods_to_entries = PodsToEntries(
        rules=rules,
        pods=pods,
        known_pods=StoredPods(pods),
        namespaces=namespaces,
        nodes=nodes,
        services=services,
    )
    return Mode(
        caches=caches,
        spire_entries=spire_entries,
        sources=lambda context: list(pod_entry_sources(context, pods_to_entries)),
        unused=frozenset({"made", "released", "trust_domain", "bundle"}),
        without_status=frozenset({NODE.kind}),
        made=made_for_pods(form),
        form=form,
        sign_of=lambda key: source_of_key(key, rules),
        own_namespace=namespace,
        confirmation=confirmed_on_namespace(namespace, namespaces),
    )
