"""ClusterSPIFFEID: an identity for every Pod that its selectors match, rendered by templates.

Decoding is lenient: an object without a spec is reported by its condition,
with the name of the field that it lacks. A number of the status that is None
was never written; 0 is written as 0, as the original does.
"""

from typing import Annotated

from msgspec import Meta, field

from api.labels import LabelSelector
from api.meta import Condition, KubeObject, ObjectMeta, Wire

from . import schemas

_ATOMIC = {"x-kubernetes-map-type": "atomic"}


class ClusterSPIFFEIDSpec(Wire, frozen=True, kw_only=True):
    """Which Pods get an identity, and what it is.

    Templates are Go's text/template. They see .TrustDomain, .ClusterName,
    .ClusterDomain, .PodMeta, .PodSpec, .NodeMeta and .NodeSpec, and of the
    controller above the Pod .Owner.Kind and .Owner.Name.
    """

    spiffe_id_template: Annotated[
        str,
        Meta(
            description="Template of the SPIFFE ID, such as spiffe://{{ .TrustDomain }}/ns/"
            "{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}; the trust domain may "
            "be left out: /ns/{{ .PodMeta.Namespace }}.",
            extra_json_schema=schemas.SPIFFE_ID_TEMPLATE,
        ),
    ] = field(name="spiffeIDTemplate", default="")
    parent_id_template: Annotated[
        str,
        Meta(
            description="Template of the parent ID, for agents that are not named by the uid of "
            "their node; by default that of the configuration.",
            extra_json_schema=schemas.SPIFFE_ID_TEMPLATE_OR_NONE,
        ),
    ] = field(name="parentIDTemplate", default="")
    pod_selector: Annotated[
        LabelSelector | None,
        Meta(
            description="Labels of the Pods that it is for; all Pods when left out.",
            extra_json_schema=_ATOMIC,
        ),
    ] = None
    namespace_selector: Annotated[
        LabelSelector | None,
        Meta(
            description="Labels of the Namespaces that it is for; all Namespaces when left out.",
            extra_json_schema=_ATOMIC,
        ),
    ] = None
    dns_name_templates: Annotated[
        tuple[str, ...],
        Meta(description="Templates of DNS names in the X.509-SVID; the first is its common name."),
    ] = ()
    workload_selector_templates: Annotated[
        tuple[str, ...],
        Meta(
            description="Templates of further selectors as type:value, such as "
            "k8s:container-name:web; the Pod's uid is always one."
        ),
    ] = ()
    ttl: Annotated[
        str,
        Meta(
            description="Lifetime of X.509-SVIDs, such as 1h; 0s means the server's default.",
            extra_json_schema=schemas.DURATION,
        ),
    ] = ""
    jwt_ttl: Annotated[
        str,
        Meta(
            description="Lifetime of JWT-SVIDs, such as 5m; 0s means the server's default.",
            extra_json_schema=schemas.DURATION,
        ),
    ] = ""
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
    admin: Annotated[
        bool, Meta(description="Whether the identity may call SPIRE's administrative API.")
    ] = False
    downstream: Annotated[
        bool, Meta(description="Whether the identity is that of a downstream SPIRE server.")
    ] = False
    auto_populate_dns_names: Annotated[
        bool,
        Meta(description="Whether the names of the Services in front of the Pod are added."),
    ] = field(name="autoPopulateDNSNames", default=False)
    fallback: Annotated[
        bool,
        Meta(description="Whether it is only for Pods that no other ClusterSPIFFEID selects."),
    ] = False
    hint: Annotated[
        str,
        Meta(
            description="Hint by which a workload with several identities tells them apart.",
            extra_json_schema={"maxLength": 1024},
        ),
    ] = ""
    class_name: Annotated[str, Meta(description="Class of registrars that this object is for.")] = (
        ""
    )


class ClusterSPIFFEIDStats(Wire, frozen=True, kw_only=True):
    """How many Pods and entries it comes to."""

    namespaces_selected: Annotated[
        int | None, Meta(description="Namespaces selected, ignored ones included.")
    ] = None
    namespaces_ignored: Annotated[
        int | None, Meta(description="Selected Namespaces that the configuration ignores.")
    ] = None
    pods_selected: Annotated[
        int | None, Meta(description="Pods selected in Namespaces that are not ignored.")
    ] = None
    pod_entry_render_failures: Annotated[
        int | None, Meta(description="Selected Pods whose entry does not render.")
    ] = None
    entries_masked: Annotated[
        int | None, Meta(description="Entries that an older object asks for too, so that it wins.")
    ] = None
    entries_to_set: Annotated[
        int | None, Meta(description="Entries that there should be on the SPIRE server.")
    ] = None
    entry_failures: Annotated[
        int | None, Meta(description="Entries that the SPIRE server does not hold as they should.")
    ] = None


class ClusterSPIFFEIDStatus(Wire, frozen=True, kw_only=True):
    """What became of the object; written by the registrar."""

    stats: ClusterSPIFFEIDStats = ClusterSPIFFEIDStats()
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
            description="Ready: whether every selected Pod has its entry; Masked while an older "
            "object decides what is in some of them; DNSNamesOmitted while an entry is set without "
            "a DNS name that SPIRE refuses; FederationPending while one is set without a trust "
            "domain whose bundle is missing.",
            extra_json_schema=schemas.CONDITIONS,
        ),
    ] = ()


class ClusterSPIFFEID(KubeObject, frozen=True, kw_only=True):
    """An identity for every Pod that the selectors match, rendered by templates.

    The registrar keeps one entry on the SPIRE server for each of these Pods.
    """

    metadata: ObjectMeta = ObjectMeta()
    spec: Annotated[
        ClusterSPIFFEIDSpec, Meta(extra_json_schema={"required": ["spiffeIDTemplate"]})
    ] = ClusterSPIFFEIDSpec()
    status: ClusterSPIFFEIDStatus = ClusterSPIFFEIDStatus()
