"""A ClusterSPIFFEID, compiled: which Pods it selects and what it makes of one.

Everything that can be wrong with the object itself is found here, once; what
is left for a Pod is matching and rendering.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from api.labels import Matcher, compile_selector
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from registrar.claims import validation
from registrar.claims.claim import Claimant
from registrar.claims.templatesize import Parsing, check_size
from registrar.claims.unmet import NAMESPACE_SELECTOR, POD_SELECTOR, Unmet
from registrar.errors import InvalidField
from registrar.gotemplate.template import Template
from registrar.identity.entry import Attributes

KIND = "ClusterSPIFFEID"
DEFAULT_PARENT = (
    "spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/{{ .NodeMeta.UID }}"
)
_OWNER = re.compile(r"\.Owner\b")


def has_owner(text: str) -> bool:
    """Whether a template may speak of the Pod's owner, which has to be read then."""
    return _OWNER.search(text) is not None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every template sees besides its Pod.

    ``parent`` is the template for objects without one of their own; ``parent_has_owner`` tells
    whether it speaks of `.Owner`.
    ``refuses_dns_names``: a DNS name that no SVID may have costs the Pod its entry, as in the
    original; otherwise that name is left out.
    """

    trust_domain: str
    cluster_name: str
    cluster_domain: str
    parent: Template = field(default_factory=lambda: Template.parse("parentID", DEFAULT_PARENT))
    parent_has_owner: bool = False
    refuses_dns_names: bool = False

    def with_parent(self, text: str, *, path: str) -> "Surroundings":
        """These with another template for parents. Raises InvalidField."""
        return replace(self, parent=parsed(text, path=path), parent_has_owner=has_owner(text))


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """One ClusterSPIFFEID. ``attributes`` are those that no Pod changes."""

    source: Claimant
    uid: str
    created: str
    pods: Matcher
    namespaces: Matcher
    spiffe_id: Template
    parent: Template
    selectors: tuple[Template, ...]
    dns_names: tuple[Template, ...]
    attributes: Attributes
    is_fallback: bool
    needs_services: bool
    needs_owner: bool

    @property
    def seniority(self) -> tuple[str, str, Claimant]:
        """Sorts templates from the oldest to the youngest."""
        return (self.created or "~", self.uid, self.source)

    def selects(self, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether it applies to a Pod with those labels in a Namespace with these."""
        return self.pods.matches(labels) and self.namespaces.matches(namespace_labels)

    def unmet(self, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> Unmet | None:
        """Why it does not: the first requirement that does not hold; None where it applies."""
        pod = self.pods.unmet(labels)
        if pod is not None:
            field, found = f"the Pod's label {pod.key}", labels.get(pod.key)
            return Unmet(POD_SELECTOR, field, f"{pod} (spec.podSelector)", found)
        namespace = self.namespaces.unmet(namespace_labels)
        if namespace is not None:
            found = namespace_labels.get(namespace.key)
            wanted = f"{namespace} (spec.namespaceSelector)"
            return Unmet(
                NAMESPACE_SELECTOR, f"the Namespace's label {namespace.key}", wanted, found
            )
        return None


def source_of(name: str) -> Claimant:
    """The source that a ClusterSPIFFEID of that name is."""
    return Claimant(KIND, "", name)


def compile_template(obj: ClusterSPIFFEID, surroundings: Surroundings) -> PodTemplate:
    """Check and compile an object. Raises InvalidField for the first thing wrong with it."""
    spec = obj.spec
    check_size(spec)
    parse = Parsing().parse
    texts = (spec.spiffe_id_template, *spec.dns_name_templates, *spec.workload_selector_templates)
    parent, parent_has_owner = surroundings.parent, surroundings.parent_has_owner
    if spec.parent_id_template:
        parent_has_owner = has_owner(spec.parent_id_template)
        parent = parse(spec.parent_id_template, path="spec.parentIDTemplate")
    if not spec.spiffe_id_template:
        raise InvalidField("spec.spiffeIDTemplate", "", "give the template of the SPIFFE ID")
    return PodTemplate(
        source=source_of(obj.metadata.name),
        uid=obj.metadata.uid,
        created=obj.metadata.creation_timestamp or "",
        pods=compile_selector(spec.pod_selector, path="spec.podSelector"),
        namespaces=compile_selector(spec.namespace_selector, path="spec.namespaceSelector"),
        spiffe_id=parse(spec.spiffe_id_template, path="spec.spiffeIDTemplate"),
        parent=parent,
        selectors=tuple(
            parse(text, path=f"spec.workloadSelectorTemplates[{number}]")
            for number, text in enumerate(spec.workload_selector_templates)
        ),
        dns_names=tuple(
            parse(text, path=f"spec.dnsNameTemplates[{number}]")
            for number, text in enumerate(spec.dns_name_templates)
        ),
        attributes=Attributes(
            x509_svid_ttl=validation.check_duration(spec.ttl, path="spec.ttl"),
            jwt_svid_ttl=validation.check_duration(spec.jwt_ttl, path="spec.jwtTtl"),
            federates_with=validation.check_federation(
                spec.federates_with,
                path="spec.federatesWith",
                trust_domain=surroundings.trust_domain,
            ),
            admin=spec.admin,
            downstream=spec.downstream,
            hint=validation.check_hint(spec.hint, path="spec.hint"),
        ),
        is_fallback=spec.fallback,
        needs_services=spec.auto_populate_dns_names,
        needs_owner=parent_has_owner or any(map(has_owner, texts)),
    )


def parsed(text: str, *, path: str) -> Template:
    """Parse a template of its own. Raises InvalidField with the words of Go's parser."""
    return Parsing().parse(text, path=path)
