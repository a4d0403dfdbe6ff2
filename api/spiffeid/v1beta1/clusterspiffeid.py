"""ClusterSpiffeId: an identity for all workloads that match a selector, written by people.

The pod controller writes them too, one for each Pod; those carry the labels
below.
"""

from typing import Annotated

from msgspec import Meta

from api.meta import KubeObject, ObjectMeta, Wire
from api.spiffeid.v1beta1.fields import (
    JWTTTL,
    PARENT_ID_SCHEMA,
    X509TTL,
    Conditions,
    DNSNames,
    Downstream,
    EntryID,
    FederatesWith,
    Hint,
    ObservedGeneration,
    SpireEntryName,
    WorkloadID,
    WorkloadSelector,
)

POD_UID_LABEL = "spiffeid.spiffe.io/pod-uid"
"""On a ClusterSpiffeId made by the pod controller: the uid of its Pod."""

POD_NAMESPACE_ANNOTATION = "spiffeid.spiffe.io/pod-namespace"
"""On a ClusterSpiffeId made by the pod controller: the namespace of its Pod."""

POD_NAME_ANNOTATION = "spiffeid.spiffe.io/pod-name"
"""On a ClusterSpiffeId made by the pod controller: the name of its Pod."""


class ClusterSpiffeIdSpec(Wire, frozen=True, kw_only=True):
    """One SPIFFE ID, the workloads that get it, and what their SVIDs carry."""

    spiffe_id: WorkloadID
    selector: WorkloadSelector
    parent_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the agent or node alias that hands the identity out; "
            "by default the alias of all agents of this cluster.",
            extra_json_schema=PARENT_ID_SCHEMA,
        ),
    ] = ""
    ttl: X509TTL = 0
    jwt_ttl: JWTTTL = 0
    federates_with: FederatesWith = ()
    dns_names: DNSNames = ()
    admin: Annotated[
        bool, Meta(description="Whether the identity may call SPIRE's administrative API.")
    ] = False
    downstream: Downstream = False
    hint: Hint = ""
    store_svid: Annotated[
        bool, Meta(description="Whether agents put the SVID into a secret store.")
    ] = False
    class_name: Annotated[
        str,
        Meta(
            description="Class of registrars that this object is for; empty for those without one.",
            extra_json_schema={"maxLength": 63},
        ),
    ] = ""


class ClusterSpiffeIdStatus(Wire, frozen=True, kw_only=True):
    """What became of the object; written by the registrar."""

    spire_entry: SpireEntryName = ""
    entry_id: EntryID = ""
    observed_generation: ObservedGeneration = 0
    conditions: Conditions = ()


class ClusterSpiffeId(KubeObject, frozen=True, kw_only=True):
    """An identity for all workloads that match a selector.

    The registrar keeps one SpireEntry, and by it one entry on the SPIRE
    server, for each; objects that ask for the same identity share them.
    """

    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterSpiffeIdSpec
    status: ClusterSpiffeIdStatus = ClusterSpiffeIdStatus()
