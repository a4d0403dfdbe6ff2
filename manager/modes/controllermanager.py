"""The controller manager's mode: templates over Pods, static entries, federation."""

from collections.abc import Iterator

from api.kinds import POD
from controllers.clusterstaticentry import refusable_static_entries
from controllers.source import AnySource
from controllers.spire_clusterspiffeid import refusable_templates
from manager.caches.managerkinds import ManagerCaches
from manager.context import Context
from manager.modes.mode import Mode, confirmed_on_namespace
from manager.sources.federation import federation_sources, record_of_relationships
from manager.sources.staticentries import static_entry_sources
from manager.sources.templates import ignored_namespaces_source, template_sources
from manager.webhooks import controller_manager_webhooks
from registrar.claims.attribution import pod_uid_of
from registrar.claims.classes import by_class
from registrar.claims.instance import made_for_templates
from registrar.claims.namespaces import IgnoredNamespaces
from registrar.claims.podtemplate import Surroundings
from registrar.settings.model import ControllerManager, Settings


def controller_manager(settings: Settings, config: ControllerManager, *, namespace: str) -> Mode:
    """The mode. ``namespace`` is the one that it runs in, empty outside of a cluster.

    Raises InvalidField for a template or a pattern that is none.
    """
    handled, class_name = config.reconciled, settings.class_name
    is_handled = by_class(class_name, watch_classless=config.watch_classless)
    ignored, surroundings = (
        IgnoredNamespaces(config.ignore_namespaces),
        _surroundings(settings, config),
    )
    caches = ManagerCaches(config, is_handled)

    def sources(context: Context) -> Iterator[AnySource]:
        if handled.cluster_spiffe_ids:
            yield from template_sources(context, caches, surroundings, ignored, is_handled)
            yield ignored_namespaces_source(ignored, caches.namespaces)
        if handled.cluster_static_entries:
            yield from static_entry_sources(context, caches.static_entries, is_handled)
        if handled.cluster_federated_trust_domains:
            record = record_of_relationships(context, own_namespace=namespace)
            yield from federation_sources(
                context,
                caches.trust_domains,
                sources=caches.bundle_sources,
                is_handled=is_handled,
                record=record,
                refresh_seconds=config.bundle_refresh_interval_seconds,
            )

    unused = {"node", "made", "released"}
    if not handled.cluster_spiffe_ids:
        unused.add("pod")
    if not handled.cluster_federated_trust_domains:
        unused |= {"trust_domain", "bundle"}
    return Mode(
        caches=caches.all,
        spire_entries=caches.spire_entries,
        sources=lambda context: list(sources(context)),
        unused=frozenset(unused),
        without_status=frozenset({POD.kind}),
        made=made_for_templates,
        sign_of=pod_uid_of,
        own_namespace=namespace,
        confirmation=confirmed_on_namespace(namespace, caches.namespaces),
        trust_domains=(
            caches.trust_domains.store if handled.cluster_federated_trust_domains else None
        ),
        refusable=(
            refusable_templates(caches.templates.store, class_name),
            refusable_static_entries(caches.static_entries.store, class_name),
        ),
        webhook=lambda session, minter: (
            None
            if config.webhooks is None
            else controller_manager_webhooks(
                config.webhooks, surroundings=surroundings, session=session, minter=minter
            )
        ),
    )


def _surroundings(settings: Settings, config: ControllerManager) -> Surroundings:
    """What every template sees. Raises InvalidField."""
    found = Surroundings(
        trust_domain=settings.trust_domain,
        cluster_name=settings.cluster,
        cluster_domain=config.cluster_domain,
        refuses_dns_names=config.refuses_dns_names,
    )
    parent = config.parent_id_template
    return found.with_parent(parent, path="parentIDTemplate") if parent else found
