"""ClusterSPIFFEID: compile it, wake the Pods that it concerns; and its status."""

import logging
from collections.abc import Callable

from api.codec import merge_diff, to_json
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey, find_condition
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from controllers.book import Book
from controllers.pace import Pace
from controllers.ports import Events, Kubernetes, reference
from controllers.templates import Cluster, Templates
from registrar.claims.claim import Problem
from registrar.claims.federation import FEDERATION_PENDING, began_waiting
from registrar.claims.podtemplate import PodTemplate, compile_template, source_of
from registrar.claims.templatestatus import READY, Namespaces, status_of
from registrar.errors import InvalidField
from registrar.kube.controller import Again, Done, Outcome
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class TemplateReconciler:
    """Keeps the set of templates in line with the objects. No remote call."""

    def __init__(
        self,
        book: Book,
        *,
        templates: Templates,
        cluster: Cluster,
        objects: Store[ClusterSPIFFEID],
        is_handled: Callable[[str], bool],
    ) -> None:
        self._book = book
        self._templates = templates
        self._cluster = cluster
        self._objects = objects
        self._is_handled = is_handled

    async def reconcile(self, name: str) -> Outcome:
        """Take in one object and wake every Pod that it selected or selects now."""
        book, source, templates = self._book, source_of(name), self._templates.set
        obj = self._objects.get(ObjectKey("", name))
        broken = self._objects.broken.get(ObjectKey("", name))
        concerned = set(self._templates.tally.pods(name))
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=name, error=broken.error))
            book.problems[source] = Problem("Undecodable", f"{broken.error}: correct the object")
            templates.put_unreadable(source)
        elif obj is None or not self._is_handled(obj.spec.class_name):
            book.problems.pop(source, None)
            was_unreadable = source in templates.unreadable
            templates.remove(source)
            if was_unreadable:
                concerned |= set(self._templates.index.all())
        else:
            try:
                template = compile_template(obj, self._templates.surroundings)
            except InvalidField as error:
                book.problems[source] = Problem("InvalidSpec", str(error))
                templates.put_unreadable(source)
            else:
                book.problems.pop(source, None)
                if source in templates.unreadable:
                    # What it asked for was kept for every Pod that might have been meant.
                    concerned |= set(self._templates.index.all())
                if template != templates.get(name):
                    templates.put(template)
                    concerned |= self._selected(template)
                else:
                    concerned = set()
        for pod in concerned:
            book.wake.pod(pod)
        book.wake.status(source)
        return Done()

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


class TemplateStatusReconciler:
    """Writes the status of ClusterSPIFFEIDs, once a second per object at most."""

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        book: Book,
        *,
        templates: Templates,
        cluster: Cluster,
        objects: Store[ClusterSPIFFEID],
        is_handled: Callable[[str], bool],
        kube: Kubernetes,
        events: Events,
        clock: Callable[[], float],
        timestamp: Callable[[], str],
    ) -> None:
        self._book = book
        self._templates = templates
        self._cluster = cluster
        self._objects = objects
        self._is_handled = is_handled
        self._kube = kube
        self._events = events
        self._pace = Pace(clock)
        self._timestamp = timestamp

    async def reconcile(self, name: str) -> Outcome:
        """Write the status if it differs from the stored one."""
        obj = self._objects.get(ObjectKey("", name))
        if obj is None or not self._is_handled(obj.spec.class_name):
            self._pace.forget(name)
            return Done()
        if not self._templates.are_counted:
            return Done()  # the end of the first pass wakes every status
        source = source_of(name)
        wanted = status_of(
            obj,
            tally=self._templates.tally,
            namespaces=self._namespaces(name),
            failing=[(key, self._book.outcomes.get(key)) for key in self._book.failing.of(source)],
            pending={
                domain
                for key in self._book.unfederated.of(source)
                for domain in self._book.outcomes.get(key).pending
            },
            problem=self._book.problems.get(source),
            now=self._timestamp(),
        )
        if wanted == obj.status or self._pace.is_in_vain(name, wanted, obj.status):
            return Done()
        wait = self._pace.wait_seconds(name)
        if wait:
            return Again(wait, "statuses are written once a second")
        patch = merge_diff(to_json(obj.status), to_json(wanted))
        stored = await self._kube.merge_patch(
            CLUSTER_SPIFFEID, obj.key, {"status": patch}, subresource="status"
        )
        self._pace.note(name)
        self._pace.answered(name, wanted, stored.status)
        self._objects.assume(stored)
        waiting = began_waiting(obj.status.conditions, wanted.conditions)
        if waiting:
            self._events.emit(
                reference(CLUSTER_SPIFFEID, obj),
                type="Warning",
                reason=FEDERATION_PENDING,
                message=waiting,
            )
        before = find_condition(obj.status.conditions, READY)
        after = find_condition(wanted.conditions, READY)
        if after is not None and (
            before is None or (before.status, before.reason) != (after.status, after.reason)
        ):
            self._events.emit(
                reference(CLUSTER_SPIFFEID, obj),
                type="Normal" if after.status == "True" else "Warning",
                reason=after.reason,
                message=after.message,
            )
        return Done()

    def _namespaces(self, name: str) -> Namespaces:
        """How many Namespaces the template selects, and which of them are ignored."""
        template = self._templates.set.get(name)
        if template is None:
            return Namespaces(0, ())
        selected = [
            namespace.metadata.name
            for namespace in self._cluster.namespaces.values()
            if template.namespaces.matches(namespace.metadata.labels)
        ]
        return Namespaces(
            len(selected), tuple(sorted(n for n in selected if self._cluster.is_ignored(n)))
        )
