"""ClusterSpiffeId to claim: its selector, parent and attributes, checked."""

from collections.abc import Iterator

from api.kinds import CLUSTER_SPIFFE_ID
from api.spiffeid.v1beta1.clusterspiffeid import POD_UID_LABEL, ClusterSpiffeId
from api.spiffeid.v1beta1.fields import Selector as SelectorSpec
from registrar.claims import validation
from registrar.claims.claim import REGISTRAR, Claim, Claimant, Origin
from registrar.errors import InvalidField
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import check_spiffe_id, check_workload_id


def source_of(name: str) -> Claimant:
    """The source that a ClusterSpiffeId of that name is."""
    return Claimant(CLUSTER_SPIFFE_ID.kind, "", name)


def node_alias(trust_domain: str, cluster: str, class_name: str = "") -> str:
    """The SPIFFE ID of all agents of the cluster, parent of every entry by default.

    An instance with a class name has an alias of its own, so that two
    instances never ask for the same key.
    """
    instance = f"/{class_name}" if class_name else ""
    return f"spiffe://{trust_domain}/spire-k8s-operator/{cluster}{instance}/node"


def alias_claim(trust_domain: str, cluster: str, class_name: str = "") -> Claim:
    """The claim of the registrar itself: an alias that every agent of the cluster gets."""
    key = EntryKey.of(
        node_alias(trust_domain, cluster, class_name),
        f"spiffe://{trust_domain}/spire/server",
        [Selector("k8s_psat", f"cluster:{cluster}")],
    )
    return Claim(
        source=Claimant(REGISTRAR, "", cluster),
        key=key,
        attributes=Attributes(),
        origin=Origin.REGISTRAR,
    )


def claim_of(obj: ClusterSpiffeId, *, trust_domain: str, cluster: str) -> Claim:
    """The claim of one ClusterSpiffeId.

    Raises InvalidField for the first thing wrong with its spec.
    """
    spec = obj.spec
    spiffe_id = check_workload_id(spec.spiffe_id, path="spec.spiffeId", trust_domain=trust_domain)
    parent_id = node_alias(trust_domain, cluster, spec.class_name)
    if spec.parent_id:
        parent_id = check_spiffe_id(spec.parent_id, path="spec.parentId", trust_domain=trust_domain)
    selectors = list(selectors_of(spec.selector))
    if not selectors:
        raise InvalidField(
            "spec.selector", "{}", "it selects nothing: give at least one thing to match"
        )
    if spec.store_svid and len({selector.type for selector in selectors}) > 1:
        raise InvalidField(
            "spec.storeSvid",
            "true",
            "needs selectors of one type: remove cluster and agent_node_uid",
        )
    return Claim(
        source=source_of(obj.metadata.name),
        key=EntryKey.of(spiffe_id, parent_id, selectors),
        attributes=_attributes_of(obj, trust_domain),
        origin=Origin.POD if POD_UID_LABEL in obj.metadata.labels else Origin.WRITTEN,
        api_version=CLUSTER_SPIFFE_ID.api_version,
        uid=obj.metadata.uid,
        created=obj.metadata.creation_timestamp or "",
    )


def _attributes_of(obj: ClusterSpiffeId, trust_domain: str) -> Attributes:
    spec = obj.spec
    return Attributes(
        x509_svid_ttl=validation.check_ttl(spec.ttl, path="spec.ttl"),
        jwt_svid_ttl=validation.check_ttl(spec.jwt_ttl, path="spec.jwtTtl"),
        federates_with=validation.check_federates_with(
            spec.federates_with, path="spec.federatesWith", trust_domain=trust_domain
        ),
        dns_names=validation.check_dns_names(spec.dns_names, path="spec.dnsNames"),
        admin=spec.admin,
        downstream=spec.downstream,
        store_svid=spec.store_svid,
        hint=validation.check_hint(spec.hint, path="spec.hint"),
    )


def selectors_of(spec: SelectorSpec) -> Iterator[Selector]:
    """The SPIRE selectors of a selector; all of them must match. Raises InvalidField."""
    for name, many in (("podLabel", spec.pod_label), ("arbitrary", spec.arbitrary)):
        validation.check_number(len(many), validation.MAX_SELECTORS, path=f"spec.selector.{name}")
    single = (
        ("pod-name", spec.pod_name),
        ("pod-uid", spec.pod_uid),
        ("ns", spec.namespace),
        ("sa", spec.service_account),
        ("container-name", spec.container_name),
        ("container-image", spec.container_image),
        ("node-name", spec.node_name),
    )
    for prefix, value in single:
        if value:
            yield Selector("k8s", f"{prefix}:{value}")
    for label, value in spec.pod_label.items():
        if not label:
            raise InvalidField("spec.selector.podLabel", f": {value}", "name the label")
        yield Selector("k8s", f"pod-label:{label}:{value}")
    for number, value in enumerate(spec.arbitrary):
        if not value or value.startswith("k8s:"):
            raise InvalidField(
                f"spec.selector.arbitrary[{number}]",
                value,
                "write a k8s selector without its 'k8s:', such as pod-image-count:2",
            )
        yield Selector("k8s", value)
    if spec.cluster:
        yield Selector("k8s_psat", f"cluster:{spec.cluster}")
    if spec.agent_node_uid:
        yield Selector("k8s_psat", f"agent_node_uid:{spec.agent_node_uid}")
