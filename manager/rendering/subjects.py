"""What can be rendered: a template alone, a ClusterSPIFFEID, the templates of crd mode.

The rules are those of the running registrar; here is only what they are asked and how the answer
is laid out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.codec import JSONObject, convert
from api.kinds import POD
from api.meta import ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from manager.rendering.mark import marked
from manager.rendering.pods import SeenPod
from registrar.claims.claim import Claim
from registrar.claims.clusterspiffeid import selectors_of
from registrar.claims.podspiffeid import SpiffeIDRules, spiffe_id_for_pod
from registrar.claims.podtemplate import PodTemplate, Surroundings, compile_template
from registrar.claims.rendering import Owner, PodView, render, view_of
from registrar.claims.unmet import Unmet
from registrar.errors import InvalidField
from registrar.gotemplate.errors import TemplateError
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value

TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and the place of the template with a mark, where there is one."""

    message: str
    place: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of one Pod; ``pod`` empty: of the object itself. ``notes`` qualify it."""

    subject: str
    pod: str = ""
    values: Mapping[str, Sequence[str]] | None = None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()


class Subject(Protocol):
    """Something that is rendered for each Pod."""

    name: str
    needs_owners: bool
    needs_services: bool

    def selects(self, pod: SeenPod) -> bool:
        """Whether it is for that Pod at all."""
        ...

    def rendered(self, pod: SeenPod) -> Rendered:
        """What it gives for that Pod."""
        ...


class PlainTemplate:
    """A text that somebody tries; ``data`` is what it sees of a Pod.

    Raises InvalidField for a text that is no template.
    """

    name = TEMPLATE
    needs_services = False

    def __init__(self, text: str, data: Callable[[SeenPod], Value]) -> None:
        self._texts = {TEMPLATE: text}
        self._data = data
        self.needs_owners = ".Owner" in text
        try:
            self._template = Template.parse(TEMPLATE, text)
        except TemplateError as error:
            raise InvalidField(TEMPLATE, text, str(error)) from error

    def selects(self, pod: SeenPod) -> bool:  # noqa: ARG002 - as every subject
        """It is for every Pod."""
        return True

    def rendered(self, pod: SeenPod) -> Rendered:
        """The text that it gives."""
        try:
            text = self._template.render(self._data(pod))
        except TemplateError as error:
            problem = Problem(str(error), tuple(marked(str(error), self._texts)))
            return Rendered(self.name, str(pod.key), problem=problem, notes=_notes(pod))
        return Rendered(self.name, str(pod.key), {"text": [text]}, notes=_notes(pod))


class ObjectTemplates:
    """A ClusterSPIFFEID. Raises InvalidField for what is wrong with the object itself."""

    def __init__(
        self,
        obj: ClusterSPIFFEID,
        surroundings: Surroundings,
        is_ignored: Callable[[str], bool],
    ) -> None:
        self.name = f"ClusterSPIFFEID/{obj.metadata.name}"
        self._texts = {surroundings.parent.name: surroundings.parent.text} | texts_of(obj)
        self._surroundings = surroundings
        self._is_ignored = is_ignored
        self._template: PodTemplate = compile_template(obj, surroundings)
        self.needs_owners = self._template.needs_owner
        self.needs_services = self._template.needs_services

    def selects(self, pod: SeenPod) -> bool:
        """Whether both selectors match, and its Namespace is not left out."""
        if self._is_ignored(pod.key.namespace):
            return False
        return self._template.selects(pod.labels, pod.namespace_labels)

    def rendered(self, pod: SeenPod) -> Rendered:
        """The entry that it asks for."""
        notes = list(_notes(pod))
        if self._is_ignored(pod.key.namespace):
            notes.append("ignoreNamespaces leaves out its Namespace, so it gets nothing of this")
        elif not self.selects(pod):
            notes.append("its selectors do not select this Pod, so it gets nothing of this")
        if self.needs_owners and pod.owner is None:
            problem = Problem("the controller that owns the Pod is not known")
            return Rendered(self.name, str(pod.key), problem=problem, notes=tuple(notes))
        view = PodView(
            key=pod.key,
            uid=pod.uid,
            annotations=convert(pod.metadata, ObjectMeta).annotations,
            data=data_of_object(pod, self._surroundings),
            services=pod.services,
        )
        try:
            claim = render(self._template, view, self._surroundings, notes.append)
        except InvalidField as error:
            problem = Problem(str(error), tuple(marked(str(error), self._texts)))
            return Rendered(self.name, str(pod.key), problem=problem, notes=tuple(notes))
        return Rendered(self.name, str(pod.key), _of_claim(claim), notes=tuple(notes))


class ModeTemplates:
    """The templates of crd mode's configuration."""

    name = "crd mode"
    needs_owners = False

    def __init__(self, rules: SpiffeIDRules, texts: Mapping[str, str]) -> None:
        self._rules = rules
        self._texts = texts
        self.needs_services = rules.service_dns_names

    def selects(self, pod: SeenPod) -> bool:  # noqa: ARG002 - as every subject
        """The rules themselves say so."""
        return True

    def rendered(self, pod: SeenPod) -> Rendered:
        """The SpiffeID that is made for it."""
        document: JSONObject = {"metadata": pod.metadata, "spec": pod.spec}
        notes = list(_notes(pod))
        try:
            made = spiffe_id_for_pod(convert(document, POD.type), self._rules, pod.services)
        except InvalidField as error:
            problem = Problem(str(error), tuple(marked(str(error), self._texts)))
            return Rendered(self.name, str(pod.key), problem=problem, notes=tuple(notes))
        if made.problem:
            notes.append(made.problem)
        if isinstance(made.wanted, Unmet):
            notes.append(f"it gets none: {made.wanted.message}; {made.wanted.remedy}")
            return Rendered(self.name, str(pod.key), {}, notes=tuple(notes))
        spec = made.wanted.spec
        values = {
            "SPIFFE ID": [spec.spiffe_id],
            "parent ID": [spec.parent_id],
            "selectors": [str(selector) for selector in selectors_of(spec.selector)],
            "DNS names": list(spec.dns_names or ()),
            "federates with": list(spec.federates_with or ()),
        }
        return Rendered(self.name, str(pod.key), values, notes=tuple(notes))


def none_of(subject: str, number: int) -> Rendered:
    """What is shown of one that selects no Pod of so many."""
    return Rendered(subject, notes=(f"it selects none of the {number:,} Pods",))


def texts_of(obj: ClusterSPIFFEID) -> dict[str, str]:
    """The templates of an object, by the names that Go's errors have for them."""
    spec = obj.spec
    texts = {
        "spiffeIDTemplate": spec.spiffe_id_template,
        "parentIDTemplate": spec.parent_id_template,
        **{f"dnsNameTemplates[{n}]": text for n, text in enumerate(spec.dns_name_templates)},
        **{
            f"workloadSelectorTemplates[{n}]": text
            for n, text in enumerate(spec.workload_selector_templates)
        },
    }
    return {name: text for name, text in texts.items() if text}


def data_of_object(pod: SeenPod, surroundings: Surroundings) -> Value:
    """What the templates of a ClusterSPIFFEID see of a Pod."""
    return view_of(
        surroundings=surroundings,
        pod_metadata=pod.metadata,
        pod_spec=pod.spec,
        node_metadata=pod.node_metadata,
        node_spec=pod.node_spec,
        owner=pod.owner or Owner("", ""),
    )


def _notes(pod: SeenPod) -> tuple[str, ...]:
    return (f"made up: {', '.join(pod.made_up)}",) if pod.made_up else ()


def _of_claim(claim: Claim) -> dict[str, list[str]]:
    attributes = claim.attributes
    return {
        "SPIFFE ID": [claim.key.spiffe_id],
        "parent ID": [claim.key.parent_id],
        "selectors": sorted(str(selector) for selector in claim.key.selectors),
        "DNS names": list(attributes.dns_names),
        "federates with": list(attributes.federates_with),
    }
