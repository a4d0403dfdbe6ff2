"""Pods and Nodes to SpiffeIDs: crd mode's identities by label, annotation or template.

Names, labels, owners and specs are the original's, so that the objects that it
left are taken over as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from api.core import Node, Pod
from api.kinds import NODE, POD, SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.fields import Selector
from api.spiffeid.v1beta1.spiffeid import (
    NODE_UID_LABEL,
    POD_UID_LABEL,
    SpiffeID,
    SpiffeIDMeta,
    SpiffeIDSpec,
)
from registrar.claims import validation
from registrar.claims.claim import Claimant
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import (
    WORKLOAD_REGISTRAR,
    agents_of,
    node_source,
    pod_source,
    root_path,
)
from registrar.claims.pods import check_not_agents, excluded, spiffe_id_of
from registrar.claims.podtemplate import parsed
from registrar.claims.unmet import NOT_ASKED_FOR, Unmet, not_bound
from registrar.errors import InvalidField
from registrar.gotemplate.errors import TemplateError
from registrar.gotemplate.podinfo import context_of, pod_info
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value
from registrar.identity.spiffeid import check_path, check_workload_id
from registrar.settings.model import CRDMode, PodIdentity

_IDENTITY_FIELD = "identity_template"
_DNS_FIELD = "dns_name_templates"


@dataclass(frozen=True, slots=True)
class SpiffeIDRules:
    """How generated SpiffeIDs look.

    ``own_namespace`` is the registrar's, where those of Nodes are. ``by_template``
    None: identities come by label or annotation.
    """

    trust_domain: str
    cluster: str
    own_namespace: str
    identity: PodIdentity
    by_template: Template | None
    dns_names: tuple[Template, ...]
    context: Value
    service_dns_names: bool

    @property
    def root(self) -> str:
        """The path above the Nodes' aliases."""
        return root_path(WORKLOAD_REGISTRAR, self.cluster)


def compile_rules(
    config: CRDMode,
    identity: PodIdentity,
    *,
    trust_domain: str,
    cluster: str,
    own_namespace: str,
) -> SpiffeIDRules:
    """Check and compile the templates of the configuration.

    Each is rendered once for a made-up Pod, so that a wrong field is found at start.
    Raises InvalidField.
    """
    by_template = None
    if identity.mode == "template":
        by_template = parsed(config.identity_template, path=_IDENTITY_FIELD)
    rules = SpiffeIDRules(
        trust_domain=trust_domain,
        cluster=cluster,
        own_namespace=own_namespace,
        identity=identity,
        by_template=by_template,
        dns_names=tuple(
            parsed(text, path=f"{_DNS_FIELD}[{number}]")
            for number, text in enumerate(config.dns_name_templates)
        ),
        context=context_of(dict(config.context)),
        service_dns_names=config.service_dns_names,
    )
    sample = pod_info(
        name="name",
        uid="123",
        namespace="namespace",
        service_account="account",
        hostname="host",
        node_name="node",
        context=rules.context,
    )
    if by_template is not None:
        _templated_id(by_template, sample, rules)
    for template in rules.dns_names:
        _dns_name(template, sample)
    return rules


def node_key(name: str, rules: SpiffeIDRules) -> ObjectKey:
    """The key of the SpiffeID made for a Node."""
    return ObjectKey(rules.own_namespace, name)


def made_for(meta: ObjectMeta) -> Claimant | None:
    """The Pod or Node that a SpiffeID was made for, or None if somebody wrote it.

    Label and controlling owner must agree, so that an object which merely carries
    the label is never taken for ours.
    """
    for owner in meta.owner_references:
        if not owner.controller:
            continue
        if owner.kind == POD.kind and owner.name == meta.name:
            if meta.labels.get(POD_UID_LABEL) == owner.uid:
                return pod_source(ObjectKey(meta.namespace, owner.name))
        elif owner.kind == NODE.kind and meta.labels.get(NODE_UID_LABEL) == owner.uid:
            return node_source(owner.name)
    return None


def made_for_uid(meta: ObjectMeta) -> str:
    """The uid of that Pod or Node."""
    return meta.labels.get(POD_UID_LABEL) or meta.labels.get(NODE_UID_LABEL, "")


class PodSpiffeID(NamedTuple):
    """What a Pod should have, and what is wrong with its DNS names without costing it the rest."""

    wanted: SpiffeID | Unmet
    problem: str


def spiffe_id_for_pod(pod: Pod, rules: SpiffeIDRules, services: Iterable[str]) -> PodSpiffeID:
    """The SpiffeID that a Pod should have, or why it should have none, or none yet.

    ``services`` are those that name it, ready. Raises InvalidField when its label,
    annotation or the template makes no SPIFFE ID for it.
    """
    meta = pod.metadata
    unmet = excluded(pod, rules.identity) or not_bound(pod.spec.node_name)
    if unmet is not None:
        return PodSpiffeID(unmet, "")
    info = pod_info(
        name=meta.name,
        uid=meta.uid,
        namespace=meta.namespace,
        service_account=pod.spec.service_account_name,
        hostname=pod.spec.hostname,
        node_name=pod.spec.node_name,
        context=rules.context,
    )
    spiffe_id = _identity_of(pod, rules, info)
    if isinstance(spiffe_id, Unmet):
        return PodSpiffeID(spiffe_id, "")
    names, problem = _usable_dns_names(rules, info)
    if rules.service_dns_names:
        served = sorted(service_name(service, meta.namespace) for service in set(services))
        names += filter(validation.is_dns_name, served)
    obj = _spiffe_id(
        pod.key,
        label=POD_UID_LABEL,
        owner=OwnerReference(
            api_version=POD.api_version,
            kind=POD.kind,
            name=meta.name,
            uid=meta.uid,
            controller=True,
            block_owner_deletion=False,
        ),
        spec=SpiffeIDSpec(
            spiffe_id=spiffe_id,
            parent_id=f"spiffe://{rules.trust_domain}{rules.root}/{pod.spec.node_name}",
            selector=Selector(
                pod_uid=meta.uid, namespace=meta.namespace, node_name=pod.spec.node_name
            ),
            dns_names=tuple(dict.fromkeys(names)),
            federates_with=annotated_federation(meta.annotations, rules.trust_domain).domains,
        ),
    )
    return PodSpiffeID(obj, problem)


def service_name(service: str, namespace: str) -> str:
    """The DNS name that the Pods of a service get."""
    return f"{service}.{namespace}.svc"


def spiffe_id_for_node(node: Node, rules: SpiffeIDRules) -> SpiffeID:
    """The SpiffeID of a Node: the alias that the agent on it gets."""
    meta = node.metadata
    return _spiffe_id(
        node_key(meta.name, rules),
        label=NODE_UID_LABEL,
        owner=OwnerReference(
            api_version=NODE.api_version,
            kind=NODE.kind,
            name=meta.name,
            uid=meta.uid,
            controller=True,
            block_owner_deletion=False,
        ),
        spec=SpiffeIDSpec(
            spiffe_id=f"spiffe://{rules.trust_domain}{rules.root}/{meta.name}",
            parent_id=f"spiffe://{rules.trust_domain}/spire/server",
            selector=Selector(cluster=rules.cluster, agent_node_uid=meta.uid),
        ),
    )


def _spiffe_id(
    key: ObjectKey, *, label: str, owner: OwnerReference, spec: SpiffeIDSpec
) -> SpiffeID:
    return SpiffeID(
        api_version=SPIFFE_ID.api_version,
        kind=SPIFFE_ID.kind,
        metadata=SpiffeIDMeta(
            name=key.name,
            namespace=key.namespace,
            labels={label: owner.uid},
            owner_references=(owner,),
        ),
        spec=spec,
    )


def _identity_of(pod: Pod, rules: SpiffeIDRules, info: Value) -> str | Unmet:
    """The SPIFFE ID of a Pod, or what it would ask for one by. Raises InvalidField."""
    if rules.by_template is None:
        return spiffe_id_of(pod, rules.identity, rules.trust_domain, agents=agents_of(rules.root))
    label = rules.identity.key
    value = pod.metadata.labels.get(label)
    if label and (value or "").lower() != "true":
        return Unmet(NOT_ASKED_FOR, f"metadata.labels[{label}]", "'true'", value)
    return _templated_id(rules.by_template, info, rules)


def _templated_id(template: Template, info: Value, rules: SpiffeIDRules) -> str:
    path = check_path(_text(template, info), path=_IDENTITY_FIELD)
    check_not_agents(path, path=_IDENTITY_FIELD, agents=agents_of(rules.root))
    return check_workload_id(
        f"spiffe://{rules.trust_domain}{path}",
        path=_IDENTITY_FIELD,
        trust_domain=rules.trust_domain,
    )


def _dns_name(template: Template, info: Value) -> str:
    """What a template makes; empty for a name that this Pod does not have. Raises InvalidField."""
    name = _text(template, info).strip()
    return validation.check_dns_name(name, path=template.name) if name else ""


def _usable_dns_names(rules: SpiffeIDRules, info: Value) -> tuple[list[str], str]:
    """Those of the templates in their order, and the first thing wrong with the others.

    A Pod may have a name of 253 characters, which no DNS label can hold, or no hostname:
    that must not cost it its identity.
    """
    names, problem = [], ""
    for template in rules.dns_names:
        try:
            name = _dns_name(template, info)
        except InvalidField as error:
            problem = problem or f"left out of its DNS names: {error}"
        else:
            names += [name] if name else []
    return names, problem


def _text(template: Template, info: Value) -> str:
    """Render one template. Raises InvalidField with the words of Go's engine."""
    try:
        return template.render(info)
    except TemplateError as error:
        raise InvalidField(template.name, template.text, f"it does not render: {error}") from error
