"""ClusterFederatedTrustDomain: another trust domain that the SPIRE server federates with.

Decoding is lenient: an object without a spec is reported by its condition,
with the name of the field that it lacks.
"""

from typing import Annotated

from msgspec import Meta, field

from api.meta import Condition, KubeObject, ObjectMeta, Wire

from . import schemas


class BundleEndpointProfile(Wire, frozen=True, kw_only=True):
    """How the bundle endpoint proves who it is."""

    type: Annotated[
        str,
        Meta(
            description="https_web for a certificate that browsers trust, https_spiffe for an "
            "SVID.",
            extra_json_schema={"enum": ["https_spiffe", "https_web"]},
        ),
    ] = ""
    endpoint_spiffe_id: Annotated[
        str,
        Meta(
            description="SPIFFE ID of the endpoint; for https_spiffe, and only for that.",
            extra_json_schema=schemas.SPIFFE_ID_OR_NONE,
        ),
    ] = field(name="endpointSPIFFEID", default="")


class ConfigMapKeyRef(Wire, frozen=True, kw_only=True):
    """One entry of a ConfigMap."""

    namespace: Annotated[
        str,
        Meta(
            description="Namespace of the ConfigMap.",
            extra_json_schema={
                "minLength": 1,
                "maxLength": 63,
                "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            },
        ),
    ] = ""
    name: Annotated[
        str,
        Meta(
            description="Name of the ConfigMap.",
            extra_json_schema={
                "minLength": 1,
                "maxLength": 253,
                "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            },
        ),
    ] = ""
    key: Annotated[
        str,
        Meta(
            description="Key below the ConfigMap's data, such as bundle.json.",
            extra_json_schema={"minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$"},
        ),
    ] = ""


class BundleSource(Wire, frozen=True, kw_only=True):
    """Where somebody publishes the bundle of the other trust domain."""

    config_map_key_ref: Annotated[
        ConfigMapKeyRef | None,
        Meta(
            description="The entry of a ConfigMap that holds it, in SPIFFE's format or as PEM "
            "certificates; the registrar watches just that ConfigMap.",
            extra_json_schema={"required": ["namespace", "name", "key"]},
        ),
    ] = None


class ClusterFederatedTrustDomainSpec(Wire, frozen=True, kw_only=True):
    """The other trust domain, and where its bundle comes from."""

    trust_domain: Annotated[
        str,
        Meta(
            description="Name of the other trust domain, such as partner.example.",
            extra_json_schema={
                "maxLength": 2048,
                "x-kubernetes-validations": [
                    {
                        "rule": f"self.matches('{schemas.TRUST_DOMAIN_PATTERN}')",
                        "message": "write the name of a trust domain: lower case letters, digits, "
                        "'.', '-' and '_'",
                    }
                ],
            },
        ),
    ] = ""
    bundle_endpoint_url: Annotated[
        str,
        Meta(
            description="URL that the bundle is fetched from: https, without a user name; left "
            "out, trustDomainBundle or trustDomainBundleFrom is all that there is.",
            extra_json_schema={
                "maxLength": 8192,
                "x-kubernetes-validations": [
                    {
                        "rule": "self == '' || "
                        "self.matches('^[hH][tT][tT][pP][sS]://[^/?#@]+([/?#]|$)')",
                        "message": "write https://<host>[:<port>]/<path>, without a user name "
                        "or password",
                    }
                ],
            },
        ),
    ] = field(name="bundleEndpointURL", default="")
    bundle_endpoint_profile: Annotated[
        BundleEndpointProfile | None,
        Meta(
            description="How the bundle endpoint proves who it is; goes with bundleEndpointURL.",
            extra_json_schema={
                "required": ["type"],
                "x-kubernetes-validations": [
                    {
                        "rule": "(has(self.endpointSPIFFEID) && self.endpointSPIFFEID != '') "
                        "== (self.type == 'https_spiffe')",
                        "message": "https_spiffe needs the endpointSPIFFEID, https_web must have "
                        "none",
                    }
                ],
            },
        ),
    ] = None
    trust_domain_bundle: Annotated[
        str,
        Meta(
            description="Bundle of the other trust domain, a JSON document in SPIFFE's format; "
            "with an endpoint it is only what the first fetch trusts."
        ),
    ] = ""
    trust_domain_bundle_from: Annotated[
        BundleSource | None,
        Meta(
            description="In the place of trustDomainBundle: where somebody publishes it. With an "
            "endpoint it is what the first fetch trusts, and what is trusted anew when the "
            "endpoint's certificate is refused and this one has other authorities; without one "
            "it is followed.",
            extra_json_schema={"required": ["configMapKeyRef"]},
        ),
    ] = None
    class_name: Annotated[str, Meta(description="Class of registrars that this object is for.")] = (
        ""
    )


_HAS_URL = "(has(self.bundleEndpointURL) && self.bundleEndpointURL != '')"
_HAS_BUNDLE = "(has(self.trustDomainBundle) && self.trustDomainBundle != '')"
_HAS_SOURCE = "has(self.trustDomainBundleFrom)"
_SPEC_RULES = [
    {
        "rule": f"{_HAS_URL} || {_HAS_BUNDLE} || {_HAS_SOURCE}",
        "message": "give a bundleEndpointURL, or a trustDomainBundle, or a trustDomainBundleFrom",
    },
    {
        "rule": f"!({_HAS_BUNDLE} && {_HAS_SOURCE})",
        "message": "give one of trustDomainBundle and trustDomainBundleFrom",
    },
    {
        "rule": f"!{_HAS_URL} || has(self.bundleEndpointProfile)",
        "message": "a bundleEndpointURL needs a bundleEndpointProfile",
    },
]


class ClusterFederatedTrustDomainStatus(Wire, frozen=True, kw_only=True):
    """What became of the object; written by the registrar."""

    owned: Annotated[
        bool,
        Meta(
            description="Whether the registrar made what the SPIRE server holds, so that it goes "
            "with this object."
        ),
    ] = False
    trust_domain_bundle_hash: Annotated[
        str,
        Meta(
            description="Hash of the keys in the bundle that the SPIRE server was given last, none "
            "for no bundle: only another trustDomainBundle is given to it, for what it holds may "
            "be fresher."
        ),
    ] = ""
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
            description="Ready: whether the SPIRE server federates as the spec says; "
            "BundleAvailable: whether it holds the bundle; BundleFresh: whether it could fetch it "
            "when it was asked last; BundleSourceRead: whether trustDomainBundleFrom could be "
            "read.",
            extra_json_schema=schemas.CONDITIONS,
        ),
    ] = ()


class ClusterFederatedTrustDomain(KubeObject, frozen=True, kw_only=True):
    """Another trust domain that the SPIRE server federates with.

    Of several for one trust domain the oldest counts.
    """

    metadata: ObjectMeta = ObjectMeta()
    spec: Annotated[
        ClusterFederatedTrustDomainSpec,
        Meta(
            extra_json_schema={
                "required": ["trustDomain"],
                "x-kubernetes-validations": _SPEC_RULES,
            }
        ),
    ] = ClusterFederatedTrustDomainSpec()
    status: ClusterFederatedTrustDomainStatus = ClusterFederatedTrustDomainStatus()
