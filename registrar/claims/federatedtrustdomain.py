"""ClusterFederatedTrustDomain: the relationship that each asks for, and who wins."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.meta import find_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from registrar.claims.bundlesource import FIELD, Source, check_source
from registrar.claims.claim import Problem
from registrar.claims.federationrecord import Noted
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle, parse_bundle
from registrar.identity.endpointurl import as_server_writes
from registrar.identity.relationship import Relationship
from registrar.identity.spiffeid import SCHEME, check_spiffe_id, check_trust_domain

READY = "Ready"

TRUST_DOMAIN_INDEX = "trust-domain"
"""Index of the objects' store: the trust domain that each names."""

NO_TRUST_DOMAIN = ""
"""The key of what no trust domain leads to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an object asks for: a relationship, or, without an endpoint, a bundle alone.

    ``source`` is where the bundle is published; then the object has none of its own.
    """

    relationship: Relationship | None
    bundle: Bundle | None
    source: Source | None = None


def bare(trust_domain: str) -> str:
    """The name of a trust domain that may be given as a whole SPIFFE ID, as Go's library takes."""
    return trust_domain.removeprefix(SCHEME).partition("/")[0]


def trust_domains_of(obj: ClusterFederatedTrustDomain) -> Iterable[str]:
    """The values of TRUST_DOMAIN_INDEX."""
    return (bare(obj.spec.trust_domain),)


def wanted_by(obj: ClusterFederatedTrustDomain, *, trust_domain: str) -> Wanted:
    """Check an object. ``trust_domain`` is our own. Raises InvalidField."""
    spec = obj.spec
    name = check_trust_domain(bare(spec.trust_domain), path="spec.trustDomain")
    if name == trust_domain:
        raise InvalidField(
            "spec.trustDomain", name, "this is the SPIRE server's own trust domain: delete it"
        )
    bundle = None
    if spec.trust_domain_bundle:
        bundle = parse_bundle(
            spec.trust_domain_bundle, trust_domain=name, path="spec.trustDomainBundle"
        )
    source = None
    if spec.trust_domain_bundle_from is not None:
        source = check_source(spec.trust_domain_bundle_from)
        if bundle is not None:
            raise InvalidField(
                FIELD, str(source), "trustDomainBundle gives the bundle already: delete one of both"
            )
    if not spec.bundle_endpoint_url:
        if bundle is None and source is None:
            raise InvalidField(
                "spec.bundleEndpointURL",
                "",
                "give a bundle endpoint, or a trustDomainBundle, or a trustDomainBundleFrom",
            )
        return Wanted(None, bundle, source)
    return Wanted(_relationship(obj, name, bundle), bundle, source)


def _relationship(
    obj: ClusterFederatedTrustDomain, name: str, bundle: Bundle | None
) -> Relationship:
    spec = obj.spec
    url = check_endpoint(spec.bundle_endpoint_url, path="spec.bundleEndpointURL")
    profile = spec.bundle_endpoint_profile
    path = "spec.bundleEndpointProfile"
    if profile is None:
        raise InvalidField(path, "", "say how to reach it: type https_web or https_spiffe")
    if profile.type == "https_web":
        if profile.endpoint_spiffe_id:
            raise InvalidField(
                f"{path}.endpointSPIFFEID",
                profile.endpoint_spiffe_id,
                "goes with type https_spiffe alone: remove it or change the type",
            )
        return Relationship(name, url, "https_web", bundle=bundle)
    if profile.type != "https_spiffe":
        raise InvalidField(f"{path}.type", profile.type, "use https_web or https_spiffe")
    endpoint = check_spiffe_id(profile.endpoint_spiffe_id, path=f"{path}.endpointSPIFFEID")
    return Relationship(name, url, "https_spiffe", endpoint_spiffe_id=endpoint, bundle=bundle)


def check_endpoint(value: str, *, path: str) -> str:
    """The URL of a bundle endpoint, as the server will write it. Raises InvalidField."""
    try:
        return as_server_writes(value)
    except ValueError as error:
        raise InvalidField(path, value, str(error)) from error


def oldest_first(
    objects: Iterable[ClusterFederatedTrustDomain],
) -> list[ClusterFederatedTrustDomain]:
    """Objects for one trust domain; the first one counts."""
    return sorted(
        objects, key=lambda obj: (obj.metadata.creation_timestamp or "~", obj.metadata.uid)
    )


def conflict(obj: ClusterFederatedTrustDomain, winner: ClusterFederatedTrustDomain) -> Problem:
    """Why a younger object for the same trust domain does not count."""
    return Problem(
        "Conflict",
        f"ClusterFederatedTrustDomain {winner.metadata.name} is for {obj.spec.trust_domain} too "
        "and is older: delete one of the two",
    )


def was_set(obj: ClusterFederatedTrustDomain) -> bool:
    """Whether some version of the registrar has said that the SPIRE server federates as asked."""
    ready = find_condition(obj.status.conditions, READY)
    return ready is not None and ready.status == "True"


def noted_in(obj: ClusterFederatedTrustDomain) -> Noted:
    """What the status says of the relationship, where no record does.

    Whether we made it is believed only of a status that speaks of this very
    spec: the class may have been another one before, and its registrar wrote it.
    """
    is_owned = obj.status.owned and obj.status.observed_generation == obj.metadata.generation
    has_endpoint = bool(obj.spec.bundle_endpoint_url)
    return Noted(
        relationship=is_owned and has_endpoint,
        bundle=is_owned and not has_endpoint,
        seed=obj.status.trust_domain_bundle_hash,
    )


def relationship_exists(url: str) -> Problem:
    """Why a bundle without an endpoint is not set: somebody's endpoint would replace it."""
    return Problem(
        "RelationshipExists",
        f"the SPIRE server fetches the bundle of this trust domain from {url}, by a relationship "
        "that somebody else made: delete that relationship there, or give bundleEndpointURL",
    )
