"""ClusterSPIFFEID: templates that give every Pod they select an identity of its own."""

from typing import Annotated

from msgspec import Meta, field

from api.labels import LabelSelector
from api.meta import Condition, KubeObject, ObjectMeta, Wire

CONDITIONS = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
ATOMIC = {"x-kubernetes-map-type": "atomic"}


class ClusterSPIFFEIDSpec(Wire, frozen=True, kw_only=True):
    """Which Pods, and what their entries look like.

    Templates are Go's text/template. They see TrustDomain, ClusterName,
    ClusterDomain, PodMeta, PodSpec, NodeMeta, NodeSpec and Owner.
    """

    spiffe_id_template: Annotated[
        str,
        Meta(
            description="Template of the SPIFFE ID, such as spiffe://{{ .TrustDomain }}/ns/"
            "{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}. A path alone gets the "
            "trust domain in front."
        ),
    ] = field(name="spiffeIDTemplate")
    pod_selector: Annotated[
        LabelSelector | None,
        Meta(description="Pods that are selected; all by default.", extra_json_schema=ATOMIC),
    ] = None
    namespace_selector: Annotated[
        LabelSelector | None,
        Meta(
            description="Namespaces whose Pods are selected; all by default.",
            extra_json_schema=ATOMIC,
        ),
    ] = None
    parent_id_template: Annotated[
        str,
        Meta(
            description="Template of the parent ID, in the place of the configured one; agents "
            "may be named by node or by Pod."
        ),
    ] = field(name="parentIDTemplate", default="")
    dns_name_templates: Annotated[
        tuple[str, ...], Meta(description="Templates of DNS names, in their order.")
    ] = ()
    workload_selector_templates: Annotated[
        tuple[str, ...],
        Meta(description="Templates of further selectors, as type:value; all must match."),
    ] = ()
    ttl: Annotated[
        str, Meta(description="Longest lifetime of X.509-SVIDs, as a Go duration such as 1h30m.")
    ] = ""
    jwt_ttl: Annotated[
        str, Meta(description="Longest lifetime of JWT-SVIDs, as a Go duration such as 5m.")
    ] = ""
    federates_with: Annotated[
        tuple[str, ...],
        Meta(
            description="Trust domains that the workloads federate with. With * all, or all of a "
            "pattern such as *.example.org, that the SPIRE server knows."
        ),
    ] = ()
    admin: Annotated[bool, Meta(description="Whether workloads may call the SPIRE server.")] = False
    downstream: Annotated[
        bool, Meta(description="Whether the workloads are downstream SPIRE servers.")
    ] = False
    auto_populate_dns_names: Annotated[
        bool, Meta(description="Whether SVIDs carry the names of the services that name the Pod.")
    ] = field(name="autoPopulateDNSNames", default=False)
    fallback: Annotated[
        bool, Meta(description="Whether it applies only to Pods that no other one selects.")
    ] = False
    hint: Annotated[str, Meta(description="Hint for workloads with several identities.")] = ""
    class_name: Annotated[
        str, Meta(description="The class of the registrar that is to handle the object.")
    ] = ""


class ClusterSPIFFEIDStats(Wire, frozen=True, kw_only=True):
    """How many Pods are selected and what became of them."""

    namespaces_selected: Annotated[int, Meta(description="Namespaces that are selected.")] = 0
    namespaces_ignored: Annotated[
        int, Meta(description="Of those, how many the configuration ignores.")
    ] = 0
    pods_selected: Annotated[int, Meta(description="Pods that are selected.")] = 0
    pod_entry_render_failures: Annotated[
        int, Meta(description="Pods whose entry did not render; what they had before stays.")
    ] = 0
    entries_masked: Annotated[
        int, Meta(description="Entries that an older object asks for too.")
    ] = 0
    entries_to_set: Annotated[int, Meta(description="Entries that are asked for.")] = 0
    entry_failures: Annotated[
        int, Meta(description="Entries that the SPIRE server does not hold as asked for.")
    ] = 0


class ClusterSPIFFEIDStatus(Wire, frozen=True, kw_only=True):
    """What became of the object."""

    stats: Annotated[ClusterSPIFFEIDStats, Meta(description="Numbers.")] = ClusterSPIFFEIDStats()
    observed_generation: Annotated[int, Meta(description="Generation that this is about.")] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            description="Ready: whether every selected Pod has its entry. FederationPending: "
            "whether entries wait for the bundle of a trust domain.",
            extra_json_schema=CONDITIONS,
        ),
    ] = ()


class ClusterSPIFFEID(KubeObject, frozen=True, kw_only=True):
    """Gives every Pod that it selects an identity, by templates."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterSPIFFEIDSpec
    status: ClusterSPIFFEIDStatus = ClusterSPIFFEIDStatus()
