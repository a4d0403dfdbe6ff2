"""One Pod under all templates that select it: what it claims.

The key is the Pod, not the template: an event of a Pod, its Node, Namespace or
services renders that Pod only, and a template's edit wakes its own Pods.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from api.codec import JSONObject, JSONValue, decode_object, to_json
from api.meta import ObjectKey
from api.whole import WholeNode, WholePod
from controllers.book import Book
from controllers.ports import Mirror
from controllers.sources import Claims
from controllers.templates import Cluster, Templates
from registrar.claims.claim import Claim, Origin, Source
from registrar.claims.ownership import name_in
from registrar.claims.podtemplate import KIND, PodTemplate, source_of
from registrar.claims.rendering import Owner, PodView, render, view_of
from registrar.claims.tally import Part
from registrar.errors import InvalidField, Retry
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.controller import Done, Outcome

NOT_BOUND = "the Pod is not bound to a node yet"


class TemplatedPodReconciler:
    """Keeps the claims of Pods in line with the templates. No remote call.

    ``on_pod`` is told of each Pod that claims for the first time.
    """

    def __init__(
        self,
        book: Book,
        *,
        templates: Templates,
        cluster: Cluster,
        mirror: Mirror,
        on_pod: Callable[[Source], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._templates = templates
        self._cluster = cluster
        self._mirror = mirror
        self._claims = Claims(book, mirror)
        self._on_pod = on_pod
        self._held = _held_by_pod(mirror.own.values())

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Bring the claims of one Pod up to date.

        Raises Retry while something that it is rendered from is not known yet.
        """
        if self._cluster.pods.is_broken(key):
            return Done()
        pod = self._cluster.pods.get(key)
        source = Source("Pod", key.namespace, key.name)
        if pod is None:
            self._forget(key, source)
            return Done()
        labels = pod.metadata.labels
        node_name = _node_name(pod)
        self._templates.index.put(key, labels, node_name)
        selecting = self._selecting(pod)
        parts: dict[str, Part] = {}
        failures: dict[str, str] = {}
        claims: list[Claim] = []
        applying = _applying(selecting)
        if node_name and applying:
            claims = self._render(pod, node_name, applying, failures)
        for template in selecting:
            parts[template.source.name] = Part.SELECTED
        for name in failures:
            parts[name] = Part.FAILED
        wanted = self._first_of_each(claims, parts)
        failed = {source_of(name) for name in failures} | self._templates.set.unreadable
        kept = self._last_good(source, pod, failed, {claim.key for claim in wanted})
        if wanted and not self._book.index.has(source):
            self._on_pod(source)
        held = self._held.pop(pod.metadata.uid, ())
        touched = self._claims.put(
            source, [*wanted, *kept], lambda: [self._held_claim(source, pod, e) for e in held]
        )
        self._claims.announce(source, touched)
        self._mask(wanted, parts)
        for name in self._templates.tally.note(key, parts, failures):
            self._book.wake.status(source_of(name))
        return Done()

    def _forget(self, key: ObjectKey, source: Source) -> None:
        """The Pod is gone."""
        self._templates.index.remove(key)
        self._claims.announce(source, self._claims.remove(source))
        for name in self._templates.tally.note(key, {}, {}):
            self._book.wake.status(source_of(name))

    def _selecting(self, pod: WholePod) -> list[PodTemplate]:
        """The templates that select the Pod. Raises Retry while its Namespace is not known."""
        name = pod.metadata.namespace
        if self._cluster.is_ignored(name):
            return []
        namespace = self._cluster.namespaces.get(ObjectKey("", name))
        if namespace is None:
            raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
        return self._templates.set.selecting(pod.metadata.labels, namespace.metadata.labels)

    def _render(
        self,
        pod: WholePod,
        node_name: str,
        templates: list[PodTemplate],
        failures: dict[str, str],
    ) -> list[Claim]:
        """What the templates make of the Pod; what is wrong goes into ``failures``."""
        node = self._cluster.nodes.get(ObjectKey("", node_name))
        if node is None:
            message = f"its node {node_name} is not known"
            failures.update((template.source.name, message) for template in templates)
            return []
        view = self._view(pod, node, templates)
        claims = []
        for template in templates:
            try:
                claims.append(render(template, view, self._templates.surroundings))
            except InvalidField as error:
                failures[template.source.name] = str(error)
        return claims

    def _view(self, pod: WholePod, node: WholeNode, templates: list[PodTemplate]) -> PodView:
        """What the templates see. Raises Retry while services or owners are not known."""
        owner = Owner("", "")
        services: tuple[str, ...] = ()
        if any(template.needs_owner for template in templates):
            found = self._cluster.owners.of(pod) if self._cluster.owners.need() else None
            if found is None:
                raise Retry("OwnerUnknown", f"the owner of Pod {pod.key} is not known yet")
            owner = found
        if any(template.needs_services for template in templates):
            if not self._cluster.services.need():
                raise Retry("ServicesUnknown", f"the services of Pod {pod.key} are not known yet")
            services = self._cluster.services.naming(pod.key)
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

    @staticmethod
    def _first_of_each(claims: list[Claim], parts: dict[str, Part]) -> list[Claim]:
        """The oldest claim on each key; the others are masked."""
        first: dict[EntryKey, Claim] = {}
        for claim in claims:
            is_first = first.setdefault(claim.key, claim) is claim
            parts[claim.subject.name] = Part.TO_SET if is_first else Part.MASKED
        return list(first.values())

    def _mask(self, wanted: list[Claim], parts: dict[str, Part]) -> None:
        """Count as masked what an older object of another kind asks for too."""
        for claim in wanted:
            winner = self._book.index.winner(claim.key)
            if winner is not None and winner.subject != claim.subject:
                parts[claim.subject.name] = Part.MASKED

    def _last_good(
        self, source: Source, pod: WholePod, failed: set[Source], wanted: set[EntryKey]
    ) -> list[Claim]:
        """Fail static: what a template made of the Pod before stays while it fails.

        In the first look of a term that is what the SPIRE server holds for the
        Pod; where no record tells which template made it, any failure keeps it.
        """
        if not failed:
            return []
        if self._book.index.has(source):
            before = self._book.index.of_source(source)
        else:
            held = self._held.get(pod.metadata.uid, ())
            before = [self._held_claim(source, pod, entry) for entry in held]
        return [
            claim
            for claim in before
            if claim.key not in wanted and (claim.template is None or claim.template in failed)
        ]

    def _held_claim(self, source: Source, pod: WholePod, entry: Entry) -> Claim:
        """The claim that an entry found on the SPIRE server stands for."""
        name = name_in(self._book.prefix, entry.id)
        record = self._book.spire_entries.get(ObjectKey("", name))
        owners = () if record is None else record.metadata.owner_references
        claim = Claim(
            source=source,
            key=entry.key,
            attributes=entry.attributes,
            origin=Origin.WRITTEN,
            source_uid=pod.metadata.uid,
        )
        for owner in owners:
            if owner.kind == KIND:
                return replace(
                    claim,
                    template=source_of(owner.name),
                    api_version=owner.api_version,
                    uid=owner.uid,
                )
        return claim


def _applying(selecting: list[PodTemplate]) -> list[PodTemplate]:
    """Fallbacks apply only where nothing else does."""
    others = [template for template in selecting if not template.is_fallback]
    return others or selecting


def _held_by_pod(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries by the uid of the Pod that they are for, as the SPIRE server held them at first."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        for kind, value in entry.key.selectors:
            if kind == "k8s" and value.startswith("pod-uid:"):
                found.setdefault(value.removeprefix("pod-uid:"), []).append(entry)
    return found


def _node_name(pod: WholePod) -> str:
    return pod.node_name


def _document(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise TypeError("metadata is an object")
    return value
