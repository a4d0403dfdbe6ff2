"""What the controller manager's mode knows of Pods, and what it tells of them.

The Pod reconciler gathers from here and reports here: an event of a Pod, its Node,
Namespace or services renders that Pod only, and a template's edit wakes its own Pods.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from api.codec import JSONObject, JSONValue, decode_object, to_json
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from api.whole import WholeNode, WholePod
from controllers.pods import PodReconciler
from controllers.ports import Mirror
from controllers.shared import SharedState
from controllers.templates import Cluster, Templates
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.judged import Judged
from registrar.claims.podentry import pod_source
from registrar.claims.podtemplate import KIND, PodTemplate, source_of
from registrar.claims.rendering import Owner, PodView, view_of
from registrar.claims.templaterules import (
    TemplatedView,
    TemplatedWanted,
    TemplateRules,
    applying,
    judged_under,
)
from registrar.claims.unmet import not_bound
from registrar.errors import Retry, Waiting
from registrar.identity.entry import Entry, EntryKey


def templated_pods(
    shared: SharedState,
    *,
    templates: Templates,
    cluster: Cluster,
    mirror: Mirror,
    on_pod: Callable[[Claimant], None] = lambda _: None,
) -> PodReconciler[WholePod, TemplatedView, TemplatedWanted]:
    """The Pod reconciler of the mode."""
    held = HeldForTemplates(shared)
    gather = TemplatedGather(templates=templates, cluster=cluster, held=held)
    return PodReconciler(
        shared,
        gather=gather,
        rules=TemplateRules(templates.surroundings, turn=_turn),
        held=held,
        report=TallyReport(shared, templates),
        mirror=mirror,
        on_pod=on_pod,
        judged=gather.judged,
    )


async def _turn() -> None:
    await asyncio.sleep(0)


class TemplatedGather:
    """A Pod as the templates see it: with its Node, its owner and its services."""

    def __init__(self, *, templates: Templates, cluster: Cluster, held: "HeldForTemplates") -> None:
        self._templates = templates
        self._cluster = cluster
        self._held = held

    def pod(self, key: ObjectKey) -> WholePod | None:
        """The Pod; None for none, and for one that does not decode."""
        return None if self._cluster.pods.broken_uid(key) else self._cluster.pods.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it does not decode. What SPIRE holds for it stays until it can be read."""
        return bool(self._cluster.pods.broken_uid(key))

    def sign(self, key: ObjectKey, pod: WholePod | None) -> Sign | None:
        """The Pod's uid, which its entries select."""
        return (self._cluster.pods.broken_uid(key) if pod is None else pod.metadata.uid) or None

    def view(self, pod: WholePod, last_good: Callable[[], Sequence[Claim]]) -> TemplatedView:
        """What the rules need. Raises Retry while a part of it is being read."""
        self._templates.index.put(pod.key, pod.metadata.labels, pod.node_name)
        selecting = self._selecting(pod)
        # A template that is known only now may have made what the Pod did not claim before.
        held = self._held.claims(pod_source(pod.key), pod.metadata.uid)
        view = TemplatedView(
            selecting=selecting,
            unreadable=self._templates.set.unreadable,
            last_good=list({claim.key: claim for claim in (*held, *last_good())}.values()),
        )
        applied = applying(selecting)
        unmet = self._cluster.ignored(pod.metadata.namespace) or not_bound(pod.node_name)
        if unmet is not None or not applied:
            return replace(view, unmet=unmet)
        node = self._cluster.nodes.get(ObjectKey("", pod.node_name))
        if node is None:
            return replace(view, problem=f"its node {pod.node_name} is not known")
        owner = self._owner(pod, applied)
        services = self._services(pod, applied)
        return replace(
            view,
            pod=self._rendered_from(pod, node, owner or Owner("", ""), services),
            owner=owner,
            owner_problem=self._cluster.owners.problem(),
            services_problem=self._cluster.services.problem(),
        )

    def is_current(self, pod: WholePod, view: TemplatedView) -> bool:
        """Whether the same templates select the Pod as before the others' turns. Raises Retry."""
        if len(applying(view.selecting)) < 2:
            return True  # nobody had a turn
        is_same = self._selecting(pod) == view.selecting
        return is_same and self._templates.set.unreadable == view.unreadable

    def gone(self, key: ObjectKey) -> None:
        """No template selects it any more."""
        self._templates.index.remove(key)

    def judged(self, pod: WholePod, wanted: TemplatedWanted) -> list[Judged]:
        """What came of the Pod under each template, also under those that do not select it.

        Where nothing can come of it under any, that alone is said.
        """
        if wanted.unmet is not None and not wanted.by_template.parts:
            return [Judged(by=pod_source(pod.key), unmet=wanted.unmet)]
        namespace = self._cluster.namespaces.get(ObjectKey("", pod.metadata.namespace))
        labels = {} if namespace is None else namespace.metadata.labels
        under = [
            judged_under(template, wanted, pod.metadata.labels, labels)
            for template in self._templates.set
        ]
        return under or [Judged(by=pod_source(pod.key))]

    def _selecting(self, pod: WholePod) -> list[PodTemplate]:
        """The templates that select the Pod. Raises Retry while its Namespace is not known."""
        name = pod.metadata.namespace
        if self._cluster.is_ignored(name):
            return []
        namespace = self._cluster.namespaces.get(ObjectKey("", name))
        if namespace is None:
            raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
        return self._templates.set.selecting(pod.metadata.labels, namespace.metadata.labels)

    def _owner(self, pod: WholePod, templates: list[PodTemplate]) -> Owner | None:
        """Who owns the Pod, where a template asks; None while a link of the chain is unknown."""
        if not any(template.needs_owner for template in templates):
            return None
        if not self._cluster.owners.need():
            raise Waiting("OwnersUnknown", "ReplicaSets and Jobs are being read")
        return self._cluster.owners.of(pod)

    def _services(self, pod: WholePod, templates: list[PodTemplate]) -> tuple[str, ...]:
        """The services that name the Pod, where a template asks. Raises Waiting."""
        if not any(template.needs_services for template in templates):
            return ()
        if not self._cluster.services.need():
            raise Waiting("ServicesUnknown", "EndpointSlices are being read")
        return self._cluster.services.naming(pod.key)

    def _rendered_from(
        self, pod: WholePod, node: WholeNode, owner: Owner, services: tuple[str, ...]
    ) -> PodView:
        return PodView(
            key=pod.key,
            uid=pod.metadata.uid,
            annotations=pod.metadata.annotations,
            data=view_of(
                surroundings=self._templates.surroundings,
                pod_metadata=_document(to_json(pod.metadata)),
                pod_spec=self._specification(pod.spec),
                node_metadata=_document(to_json(node.metadata)),
                node_spec=self._specification(node.spec),
                owner=owner,
            ),
            services=services,
        )

    def _specification(self, spec: msgspec.Raw) -> JSONObject:
        return decode_object(self._cluster.unpacked(bytes(spec)))


class HeldForTemplates:
    """What the SPIRE server holds for Pods: their entries select them by uid."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared

    def claims(self, source: Claimant, uid: str) -> list[Claim]:
        """The claims that the entries found on the SPIRE server for a Pod stand for."""
        held = self._shared.last_good.signed(uid)
        return [self._claim(source, uid, entry) for entry in held]

    def last_good(self, source: Claimant, uid: str) -> list[Claim]:
        """The same: no other Pod has had that uid."""
        return self.claims(source, uid)

    def keep(self, source: Claimant, sign: Sign | None) -> set[EntryKey]:  # noqa: ARG002 - the protocol's
        """Nothing: the Pod is in doubt, which holds its entries, and its claims stay."""
        return set()

    def may_have(self, claim: Claim, uid: str) -> bool:  # noqa: ARG002 - the protocol's
        """Yes: what is claimed for a Pod says for which one."""
        return True

    def known(self, source: Claimant) -> None:
        """Nothing was kept."""

    def _claim(self, source: Claimant, uid: str, entry: Entry) -> Claim:
        record = self._shared.record_of(entry.id)
        templates = () if record is None else _templates_of(record)
        claim = Claim(
            source=source,
            key=entry.key,
            attributes=entry.attributes,
            origin=Origin.WRITTEN,
            source_uid=uid,
        )
        for name, template_uid in templates:
            return replace(
                claim,
                template=source_of(name),
                api_version=CLUSTER_SPIFFEID.api_version,
                uid=template_uid,
            )
        return claim


class TallyReport:
    """Counts what came of Pods, by template, and wakes the statuses of those that changed."""

    def __init__(self, shared: SharedState, templates: Templates) -> None:
        self._shared = shared
        self._templates = templates

    def tell(self, pod: WholePod, wanted: TemplatedWanted) -> None:
        """A Pod was looked at."""
        came = wanted.by_template
        came.mask_all(wanted.rendered, self._shared.index.winner)
        for name in self._templates.tally.note(
            pod.key, came.parts, came.failures, masked=came.masked, left_out=came.left_out
        ):
            self._shared.wake.status(source_of(name))

    def gone(self, key: ObjectKey) -> None:
        """There is no such Pod."""
        for name in self._templates.tally.note(key, {}, {}):
            self._shared.wake.status(source_of(name))


def _templates_of(record: SpireEntry) -> list[tuple[str, str]]:
    """Name and uid of the templates that a record was made for: owners, or holders."""
    owners = [(owner.kind, owner.name, owner.uid) for owner in record.metadata.owner_references]
    holders = [(holder.kind, holder.name, holder.uid) for holder in record.spec.holders]
    return [(name, uid) for kind, name, uid in (*owners, *holders) if kind == KIND]


def _document(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise TypeError("metadata is an object")
    return value
