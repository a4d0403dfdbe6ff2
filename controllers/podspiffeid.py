"""crd mode's pod controller: one SpiffeID for each Pod and Node that should have one."""

import logging
from collections.abc import Callable

from api.core import Node, Pod
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from controllers.complaints import Complaints
from controllers.generation import Generation
from controllers.ports import Services
from controllers.sources import addresses_of
from registrar.claims.claim import Source
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import node_source, pod_source
from registrar.claims.podrules import (
    INVALID_DNS_NAME,
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_TAKEN,
    SERVICES_UNREADABLE,
)
from registrar.claims.podspiffeid import (
    SpiffeIDRules,
    made_for_uid,
    service_name,
    spiffe_id_for_node,
    spiffe_id_for_pod,
)
from registrar.claims.spiffeid import source_of
from registrar.errors import InvalidField
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class PodSpiffeIDReconciler:
    """Decides which SpiffeID a Pod has. No remote call.

    ``on_pod`` is told of each Pod that gets one for the first time.
    """

    def __init__(
        self,
        generation: Generation[SpiffeID],
        *,
        rules: SpiffeIDRules,
        pods: Store[Pod],
        services: Services | None,
        complaints: Complaints,
        on_pod: Callable[[Source], None] = lambda _: None,
    ) -> None:
        self._generation = generation
        self._rules = rules
        self._pods = pods
        self._services = services
        self._complaints = complaints
        self._on_pod = on_pod

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Assume what the Pod should have and drop what it should not.

        Raises Retry while services are being read.
        """
        pod, owner = self._pods.get(key), pod_source(key)
        if key in self._pods.broken:
            return Done()
        if pod is None:
            self._complaints.gone(key)
            self._generation.drop_all_but(owner, None)
            return Done()
        addresses = addresses_of(self._services, key)
        known = self._known(pod)
        if addresses is None:
            services = _services_in(known)
        else:
            services = {address.service for address in addresses if address.is_ready}
        try:
            wanted, problem = spiffe_id_for_pod(pod, self._rules, services)
        except InvalidField as error:
            # Its last good identity stays.
            self._complaints.say(pod, INVALID_IDENTITY, str(error))
            self._generation.drop_all_but(owner, None if known is None else key)
            return Done()
        self._complaints.say(pod, INVALID_IDENTITY, "")
        self._complaints.say(pod, INVALID_DNS_NAME, problem)
        unreadable = self._services.problem() if self._services and addresses is None else ""
        self._complaints.say(pod, SERVICES_UNREADABLE, "" if wanted is None else unreadable)
        annotated = annotated_federation(pod.metadata.annotations, self._rules.trust_domain)
        self._complaints.say(pod, INVALID_FEDERATION, "" if wanted is None else annotated.problem)
        if wanted is not None and self._generation.is_somebody_elses(wanted.key, owner):
            self._complaints.say(
                pod,
                NAME_TAKEN,
                f"somebody wrote a SpiffeID {wanted.key}, so this Pod gets none of its own: give "
                "that one another name",
            )
            return Done()
        self._complaints.say(pod, NAME_TAKEN, "")
        self._generation.drop_all_but(owner, None if wanted is None else wanted.key)
        if wanted is not None and self._generation.want(owner, wanted):
            self._on_pod(source_of(wanted.key))
        return Done()

    def _known(self, pod: Pod) -> SpiffeID | None:
        """The SpiffeID that was made for that very Pod."""
        made = self._generation.effective(pod.key)
        return made if made is not None and made_for_uid(made) == pod.metadata.uid else None


def _services_in(obj: SpiffeID | None) -> set[str]:
    """The services by which a SpiffeID has DNS names."""
    if obj is None:
        return set()
    end = service_name("", obj.metadata.namespace)
    return {name.removesuffix(end) for name in obj.spec.dns_names if name.endswith(end)}


class NodeSpiffeIDReconciler:
    """Decides which SpiffeID a Node has. No remote call."""

    def __init__(
        self, generation: Generation[SpiffeID], *, rules: SpiffeIDRules, nodes: Store[Node]
    ) -> None:
        self._generation = generation
        self._rules = rules
        self._nodes = nodes

    async def reconcile(self, name: str) -> Outcome:
        """Assume what the Node should have, or drop what one that is gone had."""
        key, owner = ObjectKey("", name), node_source(name)
        node = self._nodes.get(key)
        if key in self._nodes.broken:
            return Done()
        if node is None:
            self._generation.drop_all_but(owner, None)
            return Done()
        wanted = spiffe_id_for_node(node, self._rules)
        if self._generation.is_somebody_elses(wanted.key, owner):
            log.warning(
                "a SpiffeID that somebody wrote has the name of a Node: rename it, for the Pods "
                "on the Node have no parent",
                extra=kv(object=str(wanted.key)),
            )
            return Done()
        self._generation.want(owner, wanted)
        return Done()
