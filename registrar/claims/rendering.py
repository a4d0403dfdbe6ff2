"""One Pod under one template: the claim that comes of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from api.codec import JSONValue
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey
from registrar.claims import validation
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.federationannotation import PATH, annotated_names
from registrar.claims.podtemplate import PodTemplate, Surroundings
from registrar.claims.templatesize import excerpt
from registrar.errors import InvalidField
from registrar.gotemplate.errors import TemplateError, TemplateLimitError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value
from registrar.identity.entry import EntryKey
from registrar.identity.selectors import Selector, parse_selector
from registrar.identity.spiffeid import check_spiffe_id, check_workload_id, full_id

_NOT_RENDERED = "it does not render for this Pod"


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


def _nobody(_: str) -> None:
    """Hear what nobody wants to know."""


def render(
    template: PodTemplate,
    pod: PodView,
    surroundings: Surroundings,
    left_out: Callable[[str], None] = _nobody,
) -> Claim:
    """The claim of the Pod under the template.

    All templates of the object share one budget of work and time. ``left_out`` is told of
    each DNS name that the claim is without because no SVID may have it.
    Raises InvalidField, naming the template's field, for the first that does
    not render or gives something that no entry may have.
    """
    trust_domain = surroundings.trust_domain
    texts = _Texts(pod)
    spiffe_id = check_workload_id(
        full_id(texts.of(template.spiffe_id), trust_domain, path="spec.spiffeIDTemplate"),
        path="spec.spiffeIDTemplate",
        trust_domain=trust_domain,
    )
    parent_id = check_spiffe_id(
        full_id(texts.of(template.parent), trust_domain, path="spec.parentIDTemplate"),
        path="spec.parentIDTemplate",
        trust_domain=trust_domain,
    )
    selectors = [Selector("k8s", f"pod-uid:{pod.uid}")]
    for number, selector in enumerate(template.selectors):
        selectors.append(
            parse_selector(texts.of(selector), path=f"spec.workloadSelectorTemplates[{number}]")
        )
    attributes = template.attributes
    names = _DNSNames(texts, is_strict=surroundings.refuses_dns_names, left_out=left_out)
    dns_names = names.of(template, pod, surroundings.cluster_domain)
    annotated = _annotated_federation(pod, trust_domain)
    if dns_names or annotated:
        attributes = replace(
            attributes,
            dns_names=dns_names,
            federates_with=tuple(sorted({*attributes.federates_with, *annotated})),
        )
    return Claim(
        source=Claimant("Pod", pod.key.namespace, pod.key.name),
        key=EntryKey.of(spiffe_id, parent_id, selectors),
        attributes=attributes,
        origin=Origin.WRITTEN,
        api_version=CLUSTER_SPIFFEID.api_version,
        uid=template.uid,
        created=template.created,
        template=template.source,
        source_uid=pod.uid,
    )


class _DNSNames:
    """The DNS names of one Pod under one template.

    An empty text is a name that the Pod may have and does not. ``is_strict``: that, and
    whatever else no SVID may have, is an error, as in the original.
    """

    def __init__(
        self, texts: "_Texts", *, is_strict: bool, left_out: Callable[[str], None]
    ) -> None:
        self._texts = texts
        self._is_strict = is_strict
        self._left_out = left_out
        self._names: dict[str, None] = {}

    def of(self, template: PodTemplate, pod: PodView, cluster_domain: str) -> tuple[str, ...]:
        """Those of the templates in their order, then the services', sorted; none twice."""
        for number, dns_name in enumerate(template.dns_names):
            path = f"spec.dnsNameTemplates[{number}]"
            try:
                name = self._texts.of(dns_name).strip()
            except NotRendered as error:
                self._complain(error)
                continue
            if name or self._is_strict:
                self._add(name, path)
        if template.needs_services:
            for name in service_names(pod.services, pod.key.namespace, cluster_domain):
                self._add(name, "spec.autoPopulateDNSNames")
        return tuple(self._names)

    def _add(self, name: str, path: str) -> None:
        try:
            self._names[validation.check_dns_name(name, path=path)] = None
        except InvalidField as error:
            self._complain(error)

    def _complain(self, error: InvalidField) -> None:
        if self._is_strict:
            raise error
        self._left_out(str(error))


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


class NotRendered(InvalidField):
    """A template cannot be rendered for this Pod, however much it may take."""


class _Texts:
    """What templates make of one Pod, all within one budget of work and time."""

    def __init__(self, pod: PodView) -> None:
        self._pod = pod
        self._meter = Meter.started()

    def of(self, template: Template) -> str:
        """Render one template. Raises InvalidField with the words of Go's engine."""
        path, pod = f"spec.{template.name}", str(self._pod.key)
        try:
            return template.render(self._pod.data, self._meter)
        except TemplateLimitError as error:
            # Whether the time suffices may differ from one moment to the next: nothing is
            # left out for that, the entry stays as it was.
            raise InvalidField(path, pod, f"{_NOT_RENDERED}: {excerpt(error)}") from error
        except TemplateError as error:
            raise NotRendered(path, pod, f"{_NOT_RENDERED}: {excerpt(error)}") from error
