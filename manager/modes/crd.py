"""The workload registrar's crd mode: SpiffeIDs that people write, or that are made for Pods."""

from collections.abc import Iterator

from api.kinds import NODE, POD
from controllers.lastgood import no_sign
from controllers.source import AnySource
from controllers.spiffeid import refusable_spiffe_ids
from manager.caches.spiffeids import SpiffeIDCaches
from manager.context import Context
from manager.modes.mode import Mode, confirmed_on_namespace
from manager.sources.spiffeids import (
    made_spiffe_id_sources,
    say_who_may_ask_for_downstream,
    spiffe_id_sources,
)
from manager.webhooks import spiffe_id_webhook
from registrar.claims.attribution import owner_uid_of
from registrar.claims.instance import made_for_spiffe_ids
from registrar.claims.madepods import CRDRules
from registrar.claims.podspiffeid import compile_rules
from registrar.errors import InvalidField
from registrar.settings.model import CRDMode, PodIdentity, Settings


def crd(settings: Settings, config: CRDMode, *, namespace: str) -> Mode:
    """The mode. ``namespace`` is the one that it runs in, empty outside of a cluster.

    Raises InvalidField for a template that is none, and outside of a cluster.
    """
    if not namespace and (settings.pods is not None or config.webhook is not None):
        raise InvalidField(
            "MY_POD_NAMESPACE",
            "",
            "not in a cluster, so set it in the environment to the namespace of the "
            "registrar: the SpiffeIDs of Nodes lie there, and the webhook's Service",
        )
    makes, identity = settings.pods is not None, settings.pods or PodIdentity("template")
    rules = compile_rules(
        config,
        identity,
        trust_domain=settings.trust_domain,
        cluster=settings.cluster,
        own_namespace=namespace,
    )
    allows_downstream = config.namespaced_downstream
    caches = SpiffeIDCaches(settings, config, own_namespace=namespace)

    def sources(context: Context) -> Iterator[AnySource]:
        say_who_may_ask_for_downstream(allows_downstream=allows_downstream)
        if makes:
            crd = CRDRules(rules, allows_downstream=allows_downstream)
            yield from made_spiffe_id_sources(context, caches, crd)
        yield from spiffe_id_sources(
            context,
            caches,
            makes=makes,
            own_namespace=namespace,
            allows_downstream=allows_downstream,
        )

    unused = {"trust_domain", "bundle"}
    return Mode(
        caches=caches.all,
        spire_entries=caches.spire_entries,
        sources=lambda context: list(sources(context)),
        unused=frozenset(unused if makes else unused | {"pod", "node", "made", "released"}),
        without_status=frozenset({POD.kind, NODE.kind}),
        made=made_for_spiffe_ids,
        sign_of=owner_uid_of if makes else no_sign,
        own_namespace=namespace,
        confirmation=confirmed_on_namespace(namespace, caches.namespaces),
        refusable=(refusable_spiffe_ids(caches.spiffe_ids.store),),
        webhook=lambda session, minter: (
            None
            if config.webhook is None
            else spiffe_id_webhook(
                config.webhook,
                trust_domain=settings.trust_domain,
                own_namespace=namespace,
                claims_on=caches.claims_on,
                allows_downstream=allows_downstream,
                session=session,
                minter=minter,
            )
        ),
    )
