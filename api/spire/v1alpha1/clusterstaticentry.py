"""ClusterStaticEntry: one entry of the SPIRE server, for what is no Pod of this cluster.

Decoding is lenient: an object without a spec is reported by its condition,
with the name of the field that it lacks. A flag of the status that is None was
never written; false is written as false, as the original does.
"""

from typing import Annotated

from msgspec import Meta, field

from api.meta import Condition, KubeObject, ObjectMeta, Wire

from . import schemas


class ClusterStaticEntrySpec(Wire, frozen=True, kw_only=True):
    """The entry as it should be on the SPIRE server."""

    spiffe_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the workload or of a node alias; the path alone stands for "
            "one in the SPIRE server's trust domain.",
            extra_json_schema=schemas.SPIFFE_ID_OR_PATH,
        ),
    ] = field(name="spiffeID", default="")
    parent_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the agent or node alias that hands the identity out, or "
            "that of the SPIRE server for a node alias; the path alone will do.",
            extra_json_schema=schemas.SPIFFE_ID_OR_PATH,
        ),
    ] = field(name="parentID", default="")
    selectors: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"pattern": schemas.SELECTOR_PATTERN})], ...],
        Meta(
            description="What the workload or node must look like, as type:value; all must match.",
            extra_json_schema={"minItems": 1},
        ),
    ] = ()
    federates_with: Annotated[
        tuple[
            Annotated[str, Meta(extra_json_schema={"pattern": schemas.FEDERATES_WITH_PATTERN})],
            ...,
        ],
        Meta(
            description="Trust domains whose bundles the workloads receive too; '*' stands for "
            "any characters in the names of those that the SPIRE server knows."
        ),
    ] = ()
    x509_svid_ttl: Annotated[
        str,
        Meta(
            description="Lifetime of X.509-SVIDs, such as 1h; 0s means the server's default.",
            extra_json_schema=schemas.DURATION,
        ),
    ] = field(name="x509SVIDTTL", default="")
    jwt_svid_ttl: Annotated[
        str,
        Meta(
            description="Lifetime of JWT-SVIDs, such as 5m; 0s means the server's default.",
            extra_json_schema=schemas.DURATION,
        ),
    ] = field(name="jwtSVIDTTL", default="")
    dns_names: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"minLength": 1})], ...],
        Meta(
            description="DNS names in the X.509-SVID, in this order; the first is its common name."
        ),
    ] = ()
    hint: Annotated[
        str,
        Meta(
            description="Hint by which a workload with several identities tells them apart.",
            extra_json_schema={"maxLength": 1024},
        ),
    ] = ""
    admin: Annotated[
        bool, Meta(description="Whether the identity may call SPIRE's administrative API.")
    ] = False
    downstream: Annotated[
        bool, Meta(description="Whether the identity is that of a downstream SPIRE server.")
    ] = False
    store_svid: Annotated[
        bool, Meta(description="Whether agents put the SVID into a secret store.")
    ] = field(name="storeSVID", default=False)
    class_name: Annotated[str, Meta(description="Class of registrars that this object is for.")] = (
        ""
    )


class ClusterStaticEntryStatus(Wire, frozen=True, kw_only=True):
    """What became of the object; written by the registrar."""

    rendered: Annotated[bool | None, Meta(description="Whether the spec makes an entry.")] = None
    masked: Annotated[
        bool | None,
        Meta(description="Whether an older object asks for the same entry, so that it wins."),
    ] = None
    set: Annotated[
        bool | None, Meta(description="Whether the SPIRE server holds the entry as the spec says.")
    ] = None
    observed_generation: Annotated[
        int,
        Meta(
            description="Generation that this status speaks of.",
            extra_json_schema=schemas.GENERATION,
        ),
    ] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            description="Ready; Masked while an older object counts; FederationPending while the "
            "entry is set without a trust domain whose bundle is missing.",
            extra_json_schema=schemas.CONDITIONS,
        ),
    ] = ()


class ClusterStaticEntry(KubeObject, frozen=True, kw_only=True):
    """One entry of the SPIRE server, for what is no Pod of this cluster.

    Such as a workload on a machine of its own, or a downstream SPIRE server.
    """

    metadata: ObjectMeta = ObjectMeta()
    spec: Annotated[
        ClusterStaticEntrySpec,
        Meta(extra_json_schema={"required": ["spiffeID", "parentID", "selectors"]}),
    ] = ClusterStaticEntrySpec()
    status: ClusterStaticEntryStatus = ClusterStaticEntryStatus()
