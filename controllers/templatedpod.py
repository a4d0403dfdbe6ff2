"""One Pod under all templates that select it: what it claims.

The key is the Pod, not the template: an event of a Pod, its Node, Namespace or
services renders that Pod only, and a template's edit wakes its own Pods.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec

from api.codec import JSONObject, JSONValue, decode_object, to_json
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from api.whole import WholeNode, WholePod
from controllers.book import Book
from controllers.ports import Mirror
from controllers.sources import Claims
from controllers.templates import Cluster, Templates
from registrar.claims.claim import Claim, Origin, Source
from registrar.claims.podtemplate import KIND, PodTemplate, source_of
from registrar.claims.rendering import Owner, PodView, render, view_of
from registrar.claims.tally import Part
from registrar.errors import InvalidField, Retry, Waiting
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.controller import Done, Outcome


@dataclass(slots=True)
class _Came:
    """What came of one Pod under each template, by the template's name."""

    parts: dict[str, Part] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    masked: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def clear(self) -> None:
        """Begin again."""
        for noted in (self.parts, self.failures, self.masked, self.left_out):
            noted.clear()

    def mask(self, claim: Claim, winner: Claim) -> None:
        """Note that another claim is older."""
        name = claim.subject.name
        self.parts[name] = Part.MASKED
        # Few objects win over many Pods' claims: one text serves them all.
        self.masked[name] = sys.intern(str(winner.subject))


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
        self._claims = Claims(book, mirror)
        self._on_pod = on_pod

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Bring the claims of one Pod up to date.

        Raises Retry while something that it is rendered from is not known yet.
        """
        source = Source("Pod", key.namespace, key.name)
        broken_uid = self._cluster.pods.broken_uid(key)
        if broken_uid:
            # What SPIRE holds for it stays until it can be read.
            self._claims.begin(source, broken_uid)
            return Done()
        pod = self._cluster.pods.get(key)
        if pod is None:
            self._forget(key, source)
            return Done()
        self._claims.begin(source, pod.metadata.uid)
        self._templates.index.put(key, pod.metadata.labels, pod.node_name)
        came = _Came()
        claims = await self._claimed(pod, came)
        if self._cluster.pods.get(key) is None:
            # It went while it was rendered.
            self._forget(key, source)
            return Done()
        wanted = self._first_of_each(claims, came)
        failed = {source_of(name) for name in came.failures} | self._templates.set.unreadable
        kept = self._last_good(source, pod, failed, {claim.key for claim in wanted})
        if wanted and not self._book.index.has(source):
            self._on_pod(source)
        held = self._held_claims(source, pod.metadata.uid)
        touched = self._claims.put(source, [*wanted, *kept], lambda: held)
        self._claims.announce(source, touched)
        self._mask(wanted, came)
        for name in self._templates.tally.note(
            key, came.parts, came.failures, masked=came.masked, left_out=came.left_out
        ):
            self._book.wake.status(source_of(name))
        return Done()

    async def _claimed(self, pod: WholePod, came: "_Came") -> list[Claim]:
        """What the templates make of the Pod, and what became of each. Raises Retry.

        Everybody else has a turn between two templates. Those that no longer select the Pod
        after that, or changed, leave nothing behind: all begins again.
        """
        while True:
            came.clear()
            selecting = self._selecting(pod)
            came.parts.update((template.source.name, Part.SELECTED) for template in selecting)
            applying = _applying(selecting)
            claims: list[Claim] = []
            if pod.node_name and applying:
                claims = await self._render(pod, applying, came)
            if len(applying) < 2 or self._selecting(pod) == selecting:
                came.parts.update((name, Part.FAILED) for name in came.failures)
                return claims

    def _held_claims(self, source: Source, uid: str) -> list[Claim]:
        """The claims that the entries found on the SPIRE server for a Pod stand for."""
        held = self._book.last_good.signed(uid)
        return [self._held_claim(source, uid, entry) for entry in held]

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

    async def _render(
        self, pod: WholePod, templates: list[PodTemplate], came: "_Came"
    ) -> list[Claim]:
        """What the templates make of the Pod; what is wrong is noted.

        Raises Waiting while services or owners are being read.
        """
        node = self._cluster.nodes.get(ObjectKey("", pod.node_name))
        if node is None:
            message = f"its node {pod.node_name} is not known"
            came.failures.update((template.source.name, message) for template in templates)
            return []
        owner = self._owner(pod, templates)
        view = self._view(pod, node, templates, owner or Owner("", ""))
        claims = []
        for number, template in enumerate(templates):
            if number:
                # One template may take its whole budget of time; many must not take it at once.
                await asyncio.sleep(0)
            name = template.source.name
            lacking = self._lacking(template, owner)
            if lacking:
                came.failures[name] = lacking
                continue
            left_out: list[str] = []
            try:
                claims.append(render(template, view, self._templates.surroundings, left_out.append))
            except InvalidField as error:
                came.failures[name] = _said_of(error, pod)
                continue
            if left_out:
                came.left_out[name] = left_out[0]
        return claims

    def _lacking(self, template: PodTemplate, owner: Owner | None) -> str:
        """What the template asks for and cannot have; empty for nothing."""
        if template.needs_owner and owner is None:
            return self._cluster.owners.problem() or "the controller that owns it is not known"
        return self._cluster.services.problem() if template.needs_services else ""

    def _owner(self, pod: WholePod, templates: list[PodTemplate]) -> Owner | None:
        """Who owns the Pod, where a template asks; None while a link of the chain is unknown."""
        if not any(template.needs_owner for template in templates):
            return None
        if not self._cluster.owners.need():
            raise Waiting("OwnersUnknown", "ReplicaSets and Jobs are being read")
        return self._cluster.owners.of(pod)

    def _view(
        self, pod: WholePod, node: WholeNode, templates: list[PodTemplate], owner: Owner
    ) -> PodView:
        """What the templates see. Raises Waiting while services are being read."""
        services: tuple[str, ...] = ()
        if any(template.needs_services for template in templates):
            if not self._cluster.services.need():
                raise Waiting("ServicesUnknown", "EndpointSlices are being read")
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
    def _first_of_each(claims: list[Claim], came: "_Came") -> list[Claim]:
        """The oldest claim on each key; the others are masked."""
        first: dict[EntryKey, Claim] = {}
        for claim in claims:
            winner = first.setdefault(claim.key, claim)
            if winner is claim:
                came.parts[claim.subject.name] = Part.TO_SET
            else:
                came.mask(claim, winner)
        return list(first.values())

    def _mask(self, wanted: list[Claim], came: "_Came") -> None:
        """Count as masked what an older object of another kind asks for too."""
        for claim in wanted:
            winner = self._book.index.winner(claim.key)
            if winner is not None and winner.subject != claim.subject:
                came.mask(claim, winner)

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
            before = self._held_claims(source, pod.metadata.uid)
        return [
            claim
            for claim in before
            if claim.key not in wanted and (claim.template is None or claim.template in failed)
        ]

    def _held_claim(self, source: Source, uid: str, entry: Entry) -> Claim:
        """The claim that an entry found on the SPIRE server stands for."""
        record = self._book.record_of(entry.id)
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


def _said_of(error: InvalidField, pod: WholePod) -> str:
    """What is wrong, without the Pod, which whoever shows it names: many fail for one reason."""
    if error.value == str(pod.key):
        return f"{error.path}: {error.remedy}"
    return str(error)


def _applying(selecting: list[PodTemplate]) -> list[PodTemplate]:
    """Fallbacks apply only where nothing else does."""
    others = [template for template in selecting if not template.is_fallback]
    return others or selecting


def _templates_of(record: SpireEntry) -> list[tuple[str, str]]:
    """Name and uid of the templates that a record was made for: owners, or holders."""
    owners = [(owner.kind, owner.name, owner.uid) for owner in record.metadata.owner_references]
    holders = [(holder.kind, holder.name, holder.uid) for holder in record.spec.holders]
    return [(name, uid) for kind, name, uid in (*owners, *holders) if kind == KIND]


def _document(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise TypeError("metadata is an object")
    return value
