"""SpiffeID: an identity for workloads of one namespace, written there by people.

The kind of k8s-workload-registrar's crd mode. Its pod controller writes them
too, one for each Pod and Node; those carry one of the labels below.
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

POD_UID_LABEL = "podUid"
"""On a SpiffeID made for a Pod: the Pod's uid."""

NODE_UID_LABEL = "nodeUid"
"""On a SpiffeID made for a Node: the Node's uid."""

ORIGINAL_FINALIZER = "finalizers.spiffeid.spiffe.io"
"""The original put it on every SpiffeID; once the original is gone it only blocks deletion."""


class SpiffeIDMeta(ObjectMeta, frozen=True, kw_only=True):
    """Metadata with the finalizers, which matter for this kind alone."""

    finalizers: tuple[str, ...] = ()


class SpiffeIDSpec(Wire, frozen=True, kw_only=True):
    """One SPIFFE ID, the workloads of the namespace that get it, and what their SVIDs carry."""

    spiffe_id: WorkloadID
    parent_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the agent or node alias that hands the identity out.",
            extra_json_schema=PARENT_ID_SCHEMA,
        ),
    ]
    selector: WorkloadSelector
    dns_names: DNSNames = ()
    federates_with: FederatesWith = ()
    downstream: Downstream = False
    ttl: X509TTL = 0
    jwt_ttl: JWTTTL = 0
    hint: Hint = ""


class SpiffeIDStatus(Wire, frozen=True, kw_only=True):
    """What became of the object; written by the registrar."""

    spire_entry: SpireEntryName = ""
    entry_id: EntryID = ""
    observed_generation: ObservedGeneration = 0
    conditions: Conditions = ()


class SpiffeID(KubeObject, frozen=True, kw_only=True):
    """An identity for workloads of the namespace that it lies in.

    Its selector names that namespace; only those in the registrar's own
    namespace may select by other things, for the aliases of nodes.
    """

    metadata: SpiffeIDMeta = SpiffeIDMeta()
    spec: SpiffeIDSpec
    status: SpiffeIDStatus = SpiffeIDStatus()
