"""Valid objects, of which a test changes only what it is about."""

import msgspec

from api.core import Pod, PodSpec, PodStatus
from api.meta import ObjectMeta
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId, ClusterSpiffeIdSpec
from api.spiffeid.v1beta1.fields import Selector
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import Selector as EntrySelector

TRUST_DOMAIN = "example.org"
CLUSTER = "test"


def make_spec(**changes: object) -> ClusterSpiffeIdSpec:
    """A spec for Pods labelled app=web, with these fields changed."""
    spec = ClusterSpiffeIdSpec(
        spiffe_id=f"spiffe://{TRUST_DOMAIN}/web", selector=Selector(pod_label={"app": "web"})
    )
    return msgspec.structs.replace(spec, **changes)


def make_cluster_spiffe_id(name: str = "web", /, **changes: object) -> ClusterSpiffeId:
    """A stored ClusterSpiffeId with these fields of its spec changed."""
    return ClusterSpiffeId(
        api_version="spiffeid.spiffe.io/v1beta1",
        kind="ClusterSpiffeId",
        metadata=ObjectMeta(
            name=name,
            uid=f"uid-{name}",
            generation=1,
            creation_timestamp="2026-01-02T03:04:05Z",
            resource_version="7",
        ),
        spec=make_spec(**changes),
    )


def make_pod(
    name: str = "web-0",
    *,
    namespace: str = "shop",
    uid: str = "uid-of-web-0",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    phase: str = "Running",
) -> Pod:
    """A running Pod of the service account ``web``."""
    return Pod(
        api_version="v1",
        kind="Pod",
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=uid,
            labels=labels or {},
            annotations=annotations or {},
        ),
        spec=PodSpec(service_account_name="web"),
        status=PodStatus(phase=phase),
    )


def make_key(path: str = "/web", *selectors: str) -> EntryKey:
    """An entry key; selectors are k8s ones without their type."""
    return EntryKey.of(
        f"spiffe://{TRUST_DOMAIN}{path}",
        f"spiffe://{TRUST_DOMAIN}/node",
        [EntrySelector("k8s", text) for text in selectors or ("ns:shop",)],
    )


def make_claim(
    name: str = "web",
    key: EntryKey | None = None,
    *,
    attributes: Attributes | None = None,
    origin: Origin = Origin.WRITTEN,
    created: str = "2026-01-02T03:04:05Z",
) -> Claim:
    """A claim by a ClusterSpiffeId of that name."""
    return Claim(
        source=Claimant("ClusterSpiffeId", "", name),
        key=key or make_key(),
        attributes=attributes or Attributes(),
        origin=origin,
        api_version="spiffeid.spiffe.io/v1beta1",
        uid=f"uid-{name}",
        created=created,
    )
