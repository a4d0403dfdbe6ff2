"""ClusterFederatedTrustDomain: another trust domain, and where its bundle comes from."""

from typing import Annotated

from msgspec import Meta, field

from api.meta import Condition, KubeObject, ObjectMeta, Wire

from .clusterspiffeid import CONDITIONS


class BundleEndpointProfile(Wire, frozen=True, kw_only=True):
    """How the bundle endpoint proves who it is."""

    type: Annotated[
        str,
        Meta(
            description="https_web: by a certificate of the web. https_spiffe: by its SVID.",
            extra_json_schema={"enum": ["https_spiffe", "https_web"]},
        ),
    ]
    endpoint_spiffe_id: Annotated[
        str, Meta(description="SPIFFE ID of the endpoint, with https_spiffe only.")
    ] = field(name="endpointSPIFFEID", default="")


class ClusterFederatedTrustDomainSpec(Wire, frozen=True, kw_only=True):
    """A trust domain with a bundle endpoint, or with a bundle alone."""

    trust_domain: Annotated[
        str,
        Meta(
            description="Name of the trust domain, such as example.org.",
            extra_json_schema={"pattern": "[a-z0-9._-]{1,255}"},
        ),
    ]
    bundle_endpoint_url: Annotated[
        str, Meta(description="https URL of the bundle endpoint, without user name and password.")
    ] = field(name="bundleEndpointURL", default="")
    bundle_endpoint_profile: Annotated[
        BundleEndpointProfile | None, Meta(description="How the endpoint proves who it is.")
    ] = None
    trust_domain_bundle: Annotated[
        str,
        Meta(description="Bundle document (JSON) to begin with, or instead of an endpoint."),
    ] = ""
    class_name: Annotated[
        str, Meta(description="The class of the registrar that is to handle the object.")
    ] = ""


class ClusterFederatedTrustDomainStatus(Wire, frozen=True, kw_only=True):
    """What became of the object."""

    owned: Annotated[
        bool,
        Meta(
            description="Whether the registrar made what is on the SPIRE server, so that it goes "
            "when the object is deleted."
        ),
    ] = False
    observed_generation: Annotated[int, Meta(description="Generation that this is about.")] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            description="Ready: whether the SPIRE server federates as asked for. BundleAvailable: "
            "whether it holds the bundle.",
            extra_json_schema=CONDITIONS,
        ),
    ] = ()


class ClusterFederatedTrustDomain(KubeObject, frozen=True, kw_only=True):
    """Another trust domain that the SPIRE server federates with."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterFederatedTrustDomainSpec
    status: ClusterFederatedTrustDomainStatus = ClusterFederatedTrustDomainStatus()
