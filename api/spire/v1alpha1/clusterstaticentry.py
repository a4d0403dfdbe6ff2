"""ClusterStaticEntry: one entry, written out; for workloads outside of the cluster."""

from typing import Annotated

import msgspec
from msgspec import Meta, field

from api.meta import Condition, KubeObject, ObjectMeta, Wire

from .clusterspiffeid import CONDITIONS


class ClusterStaticEntrySpec(Wire, frozen=True, kw_only=True):
    """The entry."""

    spiffe_id: Annotated[
        str,
        Meta(description="SPIFFE ID; a path alone gets the trust domain in front."),
    ] = field(name="spiffeID")
    parent_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the agent or alias above it; a path alone gets the trust "
            "domain in front."
        ),
    ] = field(name="parentID")
    selectors: Annotated[
        tuple[str, ...], Meta(description="Selectors, as type:value; all must match.")
    ]
    federates_with: Annotated[
        tuple[str, ...],
        Meta(
            description="Trust domains to federate with. With * all, or all of a pattern such as "
            "*.example.org, that the SPIRE server knows."
        ),
    ] = ()
    x509_svid_ttl: Annotated[
        str, Meta(description="Lifetime of X.509-SVIDs, as a Go duration such as 1h30m.")
    ] = field(name="x509SVIDTTL", default="")
    jwt_svid_ttl: Annotated[
        str, Meta(description="Lifetime of JWT-SVIDs, as a Go duration such as 5m.")
    ] = field(name="jwtSVIDTTL", default="")
    dns_names: Annotated[tuple[str, ...], Meta(description="DNS names, in their order.")] = ()
    hint: Annotated[str, Meta(description="Hint for workloads with several identities.")] = ""
    admin: Annotated[bool, Meta(description="Whether it may call the SPIRE server.")] = False
    downstream: Annotated[bool, Meta(description="Whether it is a downstream SPIRE server.")] = (
        False
    )
    store_svid: Annotated[
        bool, Meta(description="Whether agents store the SVID in their secret store.")
    ] = field(name="storeSVID", default=False)
    class_name: Annotated[
        str, Meta(description="The class of the registrar that is to handle the object.")
    ] = ""


class ClusterStaticEntryStatus(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False, gc=False
):
    """What became of the object. The three flags are always written out."""

    rendered: Annotated[bool, Meta(description="Whether the spec is right.")] = False
    masked: Annotated[bool, Meta(description="Whether an older object asks for the same.")] = False
    set: Annotated[
        bool, Meta(description="Whether the SPIRE server holds the entry as asked for.")
    ] = False
    observed_generation: Annotated[int, Meta(description="Generation that this is about.")] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            description="Ready: whether the SPIRE server holds the entry. Masked: by whom. "
            "FederationPending: whether it waits for the bundle of a trust domain.",
            extra_json_schema=CONDITIONS,
        ),
    ] = ()


class ClusterStaticEntry(KubeObject, frozen=True, kw_only=True):
    """One entry on the SPIRE server."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterStaticEntrySpec
    status: ClusterStaticEntryStatus = ClusterStaticEntryStatus()
