"""One Pod under one template: the claim that comes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from api.codec import JSONValue
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey
from registrar.claims import validation
from registrar.claims.claim import Claim, Origin, Source
from registrar.claims.federationannotation import PATH, annotated_names
from registrar.claims.podtemplate import PodTemplate, Surroundings
from registrar.errors import InvalidField
from registrar.gotemplate.errors import TemplateError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value
from registrar.identity.entry import EntryKey
from registrar.identity.selectors import Selector, parse_selector
from registrar.identity.spiffeid import check_spiffe_id, check_workload_id, full_id


@dataclass(frozen=True, slots=True)
class Owner:
    """The object at the end of a Pod's chain of controllers: a Deployment, a CronJob, itself."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class PodView:
    """What is known of a Pod when it is rendered; ``services`` are those that name it."""

    key: ObjectKey
    uid: str
    annotations: Mapping[str, str]
    data: Value
    services: tuple[str, ...] = ()


def view_of(
    *,
    surroundings: Surroundings,
    pod_metadata: Mapping[str, JSONValue],
    pod_spec: Mapping[str, JSONValue],
    node_metadata: Mapping[str, JSONValue],
    node_spec: Mapping[str, JSONValue],
    owner: Owner,
) -> Value:
    """The data that the templates of one Pod see."""
    return pod_data(
        trust_domain=surroundings.trust_domain,
        cluster_name=surroundings.cluster_name,
        cluster_domain=surroundings.cluster_domain,
        pod_metadata=pod_metadata,
        pod_spec=pod_spec,
        node_metadata=node_metadata,
        node_spec=node_spec,
        owner_kind=owner.kind,
        owner_name=owner.name,
    )


def render(template: PodTemplate, pod: PodView, surroundings: Surroundings) -> Claim:
    """The claim of the Pod under the template.

    Raises InvalidField, naming the template's field, for the first that does
    not render or gives something that no entry may have.
    """
    trust_domain = surroundings.trust_domain
    spiffe_id = check_workload_id(
        full_id(_text(template.spiffe_id, pod), trust_domain, path="spec.spiffeIDTemplate"),
        path="spec.spiffeIDTemplate",
        trust_domain=trust_domain,
    )
    parent_id = check_spiffe_id(
        full_id(_text(template.parent, pod), trust_domain, path="spec.parentIDTemplate"),
        path="spec.parentIDTemplate",
        trust_domain=trust_domain,
    )
    selectors = [Selector("k8s", f"pod-uid:{pod.uid}")]
    for number, selector in enumerate(template.selectors):
        selectors.append(
            parse_selector(_text(selector, pod), path=f"spec.workloadSelectorTemplates[{number}]")
        )
    attributes = template.attributes
    dns_names = tuple(_dns_names(template, pod, surroundings))
    annotated = _annotated_federation(pod, trust_domain)
    if dns_names or annotated:
        attributes = replace(
            attributes,
            dns_names=dns_names,
            federates_with=tuple(sorted({*attributes.federates_with, *annotated})),
        )
    return Claim(
        source=Source("Pod", pod.key.namespace, pod.key.name),
        key=EntryKey.of(spiffe_id, parent_id, selectors),
        attributes=attributes,
        origin=Origin.WRITTEN,
        api_version=CLUSTER_SPIFFEID.api_version,
        uid=template.uid,
        created=template.created,
        template=template.source,
        source_uid=pod.uid,
    )


def _dns_names(template: PodTemplate, pod: PodView, surroundings: Surroundings) -> Iterable[str]:
    """Those of the templates in their order, then those of the services, sorted; none twice."""
    names: dict[str, None] = {}
    for number, dns_name in enumerate(template.dns_names):
        path = f"spec.dnsNameTemplates[{number}]"
        names[validation.check_dns_name(_text(dns_name, pod), path=path)] = None
    if template.needs_services:
        for name in service_names(pod.services, pod.key.namespace, surroundings.cluster_domain):
            names[name] = None
    return names


def service_names(services: Iterable[str], namespace: str, cluster_domain: str) -> list[str]:
    """The names that a cluster's DNS has for services of a namespace, sorted."""
    names = set()
    for service in services:
        names |= {service, f"{service}.{namespace}", f"{service}.{namespace}.svc"}
        if cluster_domain:
            names.add(f"{service}.{namespace}.svc.{cluster_domain}")
    return sorted(names)


def _annotated_federation(pod: PodView, trust_domain: str) -> tuple[str, ...]:
    """The trust domains that the Pod's annotation adds. Raises InvalidField."""
    return validation.check_federation(
        annotated_names(pod.annotations), path=PATH, trust_domain=trust_domain
    )


def _text(template: Template, pod: PodView) -> str:
    """Render one template. Raises InvalidField with the words of Go's engine."""
    try:
        return template.render(pod.data)
    except TemplateError as error:
        remedy = f"it does not render for this Pod: {error}"
        raise InvalidField(f"spec.{template.name}", str(pod.key), remedy) from error
