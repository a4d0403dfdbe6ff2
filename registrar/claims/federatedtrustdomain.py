"""ClusterFederatedTrustDomain: the relationship that each asks for, who wins, and its status."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.meta import Condition, find_condition, set_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import (
    ClusterFederatedTrustDomain,
    ClusterFederatedTrustDomainStatus,
)
from registrar.claims.claim import Problem
from registrar.claims.federationrecord import Noted
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle, parse_bundle
from registrar.identity.endpointurl import as_server_writes
from registrar.identity.relationship import Relationship
from registrar.identity.spiffeid import SCHEME, check_spiffe_id, check_trust_domain

READY = "Ready"
BUNDLE = "BundleAvailable"

TRUST_DOMAIN_INDEX = "trust-domain"
"""Index of the objects' store: the trust domain that each names."""

NO_TRUST_DOMAIN = ""
"""The key of what no trust domain leads to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an object asks for: a relationship, or, without an endpoint, a bundle alone."""

    relationship: Relationship | None
    bundle: Bundle | None


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
    if not spec.bundle_endpoint_url:
        if bundle is None:
            raise InvalidField(
                "spec.bundleEndpointURL", "", "give a bundle endpoint, or a trustDomainBundle"
            )
        return Wanted(None, bundle)
    return Wanted(_relationship(obj, name, bundle), bundle)


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


def status_of(
    obj: ClusterFederatedTrustDomain,
    *,
    problem: Problem | None,
    is_owned: bool,
    seed: str,
    has_bundle: bool | None,
    now: str,
) -> ClusterFederatedTrustDomainStatus:
    """The status to write.

    ``is_owned``: the registrar made what is on the server, so it goes with
    the object. ``seed`` is the hash of the bundle of it that counted last.
    ``has_bundle``: the server holds the bundle, None for unknown.
    """
    if problem is not None:
        wanted = [_condition(READY, "False", problem.reason, problem.message)]
    elif is_owned:
        wanted = [_condition(READY, "True", "Set", "the SPIRE server federates as asked for")]
    else:
        message = (
            "the SPIRE server federates as asked for; somebody else made the relationship, so it "
            "stays when this object is deleted"
        )
        wanted = [_condition(READY, "True", "Adopted", message)]
    if has_bundle is not None:
        message = "" if has_bundle else "the SPIRE server could not fetch the bundle yet"
        reason = "Fetched" if has_bundle else "BundleMissing"
        wanted.append(_condition(BUNDLE, "True" if has_bundle else "False", reason, message))
    old = {condition.type: condition for condition in obj.status.conditions}
    generation = obj.metadata.generation
    conditions: tuple[Condition, ...] = tuple(
        c for c in obj.status.conditions if c.type not in {READY, BUNDLE}
    )
    for type_, status, reason, message in wanted:
        new = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message,
            observed_generation=generation,
            last_transition_time=now,
        )
        before = (old[type_],) if type_ in old else ()
        conditions = (*conditions, *set_condition(before, new))
    return ClusterFederatedTrustDomainStatus(
        owned=is_owned,
        trust_domain_bundle_hash=seed,
        observed_generation=generation,
        conditions=conditions,
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


def _condition(type_: str, status: str, reason: str, message: str) -> tuple[str, str, str, str]:
    return type_, status, reason, message
