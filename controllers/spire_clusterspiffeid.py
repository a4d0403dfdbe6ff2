"""ClusterSPIFFEID: compile it, wake the Pods that it concerns; and its status."""

import logging
from collections.abc import Callable

from api.kinds import CLUSTER_SPIFFEID
from api.meta import Condition, ObjectKey, find_condition
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDStatus
from controllers.objectstatus import ObjectStatusReconciler, Stating
from controllers.ports import Events, Kubernetes
from controllers.refusal import Objects
from controllers.shared import SharedState
from controllers.templates import Cluster, Templates
from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.classes import Classes
from registrar.claims.judged import Judged
from registrar.claims.podentry import pod_source
from registrar.claims.podtemplate import PodTemplate, compile_template, source_of
from registrar.claims.templatestatus import ALL_SET, READY, Namespaces, status_of
from registrar.claims.unmet import Unmet
from registrar.errors import InvalidField
from registrar.kube.controller import Done, Result
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class TemplateReconciler:
    """Keeps the set of templates in line with the objects. No remote call."""

    def __init__(
        self,
        shared: SharedState,
        *,
        templates: Templates,
        cluster: Cluster,
        objects: Store[ClusterSPIFFEID],
        classes: Classes,
    ) -> None:
        self._shared = shared
        self._templates = templates
        self._cluster = cluster
        self._objects = objects
        self._classes = classes

    async def reconcile(self, name: str) -> Result:
        """Take in one object and wake every Pod that it selected or selects now."""
        shared, source, templates = self._shared, source_of(name), self._templates.set
        shared.last_good.begin(source)
        broken = self._objects.broken.get(ObjectKey("", name))
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=name, error=broken.error))
        concerned = set(self._templates.tally.pods(name))
        match self._judge(name):
            case Problem() as problem:
                shared.problems[source] = problem
                concerned |= self._take_unreadable(source)
            case PodTemplate() as template:
                shared.problems.pop(source, None)
                if source in templates.unreadable:
                    # What it asked for was kept for every Pod that might have been meant.
                    concerned |= set(self._templates.index.all())
                if template != templates.get(name):
                    templates.put(template)
                    concerned |= self._selected(template)
                else:
                    concerned = set()
            case _:
                shared.problems.pop(source, None)
                was_unreadable = source in templates.unreadable
                templates.remove(source)
                if was_unreadable:
                    concerned |= set(self._templates.index.all())
        for pod in concerned:
            shared.wake.pod(pod)
        # Of one that is wrong every Pod knows that it may concern it.
        shared.last_good.seen(source)
        shared.wake.status(source)
        return Done()

    async def explain(self, key: ObjectKey) -> list[Judged]:
        """What the Pods that one object selects claim by it; empty for no such object."""
        source = source_of(key.name)
        match self._judge(key.name):
            case Problem() as problem:
                return [Judged(by=source, claims=self._claims_of(source), problem=problem)]
            case Unmet() as unmet:
                return [Judged(by=source, unmet=unmet)]
            case PodTemplate():
                return [Judged(by=source, claims=self._claims_of(source))]
        return []

    def _claims_of(self, source: Claimant) -> tuple[Claim, ...]:
        index, pods = self._shared.index, self._templates.tally.pods(source.name)
        claims = (claim for pod in sorted(pods) for claim in index.of_source(pod_source(pod)))
        return tuple(claim for claim in claims if claim.template == source)

    def _judge(self, name: str) -> PodTemplate | Problem | Unmet | None:
        """The object's template, what is wrong with it, why it is not ours; None for no object."""
        key = ObjectKey("", name)
        obj, broken = self._objects.get(key), self._objects.broken.get(key)
        if broken is not None:
            return Problem("Undecodable", f"{broken.error}: correct the object")
        if obj is None:
            return None
        unmet = self._classes.unmet(obj.spec.class_name)
        if unmet is not None:
            return unmet
        try:
            return compile_template(obj, self._templates.surroundings)
        except InvalidField as error:
            return Problem("InvalidSpec", str(error))

    def _take_unreadable(self, source: Claimant) -> set[ObjectKey]:
        """Take in one that is wrong; gives the Pods that it may have had entries for.

        Those that were looked at without knowing of it, as where the kind could not be read at
        the start, must claim what the SPIRE server still holds for them before that goes.
        """
        templates, held = self._templates.set, self._shared.last_good.signs()
        was_known = source in templates.unreadable
        templates.put_unreadable(source)
        is_news = source in templates.unreadable and not was_known
        is_late = is_news and self._templates.are_judged and any(True for _ in held)
        return set(self._templates.index.all()) if is_late else set()

    def _selected(self, template: PodTemplate) -> set[ObjectKey]:
        namespaces = (
            namespace.metadata.name
            for namespace in self._cluster.namespaces.values()
            if template.namespaces.matches(namespace.metadata.labels)
            and not self._cluster.is_ignored(namespace.metadata.name)
        )
        return self._templates.set.candidates(
            template, namespaces=namespaces, labels_of=self._cluster.labels_of
        )


def template_statuses(  # noqa: PLR0913 - collaborators, all by keyword
    shared: SharedState,
    *,
    templates: Templates,
    cluster: Cluster,
    objects: Store[ClusterSPIFFEID],
    is_handled: Callable[[str], bool],
    kube: Kubernetes,
    events: Events,
    clock: Callable[[], float],
    timestamp: Callable[[], str],
) -> ObjectStatusReconciler[ClusterSPIFFEID, ClusterSPIFFEIDStatus]:
    """The reconciler of the statuses of ClusterSPIFFEIDs."""

    def wanted(obj: ClusterSPIFFEID) -> ClusterSPIFFEIDStatus | None:
        """The status as it should be; the end of the first pass wakes every status."""
        if not templates.are_counted:
            return None
        name = obj.metadata.name
        source = source_of(name)
        return status_of(
            obj,
            tally=templates.tally,
            namespaces=_namespaces(name, templates, cluster),
            failing=[(key, shared.outcomes.get(key)) for key in shared.failing.of(source)],
            pending={
                domain
                for key in shared.unfederated.of(source)
                for domain in shared.outcomes.get(key).pending
            },
            problem=shared.problems.get(source),
            now=timestamp(),
        )

    stating = Stating(
        kind=CLUSTER_SPIFFEID,
        is_ours=lambda obj: is_handled(obj.spec.class_name),
        status_of=lambda obj: obj.status,
        wanted=wanted,
        words=_words,
        told=_told,
    )
    return ObjectStatusReconciler(stating, objects=objects, kube=kube, events=events, clock=clock)


def refusable_templates(
    objects: Store[ClusterSPIFFEID], class_name: str
) -> Objects[ClusterSPIFFEID]:
    """The ClusterSPIFFEIDs of the very class, for while another registrar has the prefix."""
    return Objects(
        kind=CLUSTER_SPIFFEID,
        stored=objects,
        is_ours=lambda obj: obj.spec.class_name == class_name,
        conditions=lambda obj: obj.status.conditions,
    )


def _words(status: ClusterSPIFFEIDStatus) -> object:
    """What makes news; the message has numbers that change with every Pod."""
    ready = find_condition(status.conditions, READY)
    return None if ready is None else (ready.status, ready.reason)


def _told(ready: Condition) -> str:
    """An Event stays while the numbers go on: one of a new object would say 0 Pods for ever."""
    return ALL_SET if ready.status == "True" else ready.message


def _namespaces(name: str, templates: Templates, cluster: Cluster) -> Namespaces:
    """How many Namespaces the template selects, and which of them are ignored."""
    template = templates.set.get(name)
    if template is None:
        return Namespaces(0, ())
    selected = [
        namespace.metadata.name
        for namespace in cluster.namespaces.values()
        if template.namespaces.matches(namespace.metadata.labels)
    ]
    return Namespaces(len(selected), tuple(sorted(n for n in selected if cluster.is_ignored(n))))
