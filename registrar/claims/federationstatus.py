"""The status of a ClusterFederatedTrustDomain: its conditions, each of one owner."""

import re
from dataclasses import dataclass

from api.meta import Condition, set_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import (
    ClusterFederatedTrustDomain,
    ClusterFederatedTrustDomainStatus,
)
from registrar.claims.bundlesource import Reading
from registrar.claims.claim import Problem
from registrar.claims.federatedtrustdomain import READY

BUNDLE = "BundleAvailable"
FRESH = "BundleFresh"
SOURCE = "BundleSourceRead"

_OURS = frozenset({READY, BUNDLE, FRESH, SOURCE})
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What the last refresh of a bundle came to; ``problem`` is empty for a success.

    ``is_distrusted``: the endpoint's certificate is not by an authority that is held.
    """

    problem: str = ""
    is_distrusted: bool = False

    def reads_like(self, other: "Refreshed | None") -> bool:
        """Whether both say the same, but for numbers: a connection's port is never the same."""
        return (
            other is not None
            and self.is_distrusted == other.is_distrusted
            and _alike(self.problem, other.problem)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known of the trust domain of the object that counts.

    ``is_owned``: the registrar made what is on the server, so it goes with the object. ``seed``
    is the hash of the bundle that was given last. ``has_bundle``: the server holds one, None for
    unknown. ``is_refreshed``: the registrar asks for refreshes; ``refreshed`` is None before the
    first one of this term. ``source`` is None for an object that names none.
    """

    is_owned: bool = False
    seed: str = ""
    has_bundle: bool | None = None
    is_refreshed: bool = False
    refreshed: Refreshed | None = None
    source: Reading | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    type: str
    reason: str
    message: str
    is_true: bool


def status_of(
    obj: ClusterFederatedTrustDomain, *, problem: Problem | None, observed: Observed, now: str
) -> ClusterFederatedTrustDomainStatus:
    """The status to write."""
    old = {condition.type: condition for condition in obj.status.conditions}
    wanted: list[_Said | Condition] = [_ready(problem, is_owned=observed.is_owned)]
    if observed.has_bundle is not None:
        wanted.append(_available(has_bundle=observed.has_bundle))
    if observed.refreshed is not None:
        wanted.append(_fresh(observed.refreshed, old.get(FRESH)))
    elif observed.is_refreshed and FRESH in old:
        # Another process asked last: what it was told counts until we have asked.
        wanted.append(old[FRESH])
    if observed.source is not None:
        wanted.append(_source(observed.source))
    conditions = tuple(c for c in obj.status.conditions if c.type not in _OURS)
    for said in wanted:
        before = (old[said.type],) if said.type in old else ()
        new = said if isinstance(said, Condition) else _condition(said, obj, now)
        conditions = (*conditions, *set_condition(before, new))
    return ClusterFederatedTrustDomainStatus(
        owned=observed.is_owned,
        trust_domain_bundle_hash=observed.seed,
        observed_generation=obj.metadata.generation,
        conditions=conditions,
    )


def _ready(problem: Problem | None, *, is_owned: bool) -> _Said:
    if problem is not None:
        return _Said(READY, problem.reason, problem.message, is_true=False)
    if is_owned:
        message = "the SPIRE server federates as asked for"
        return _Said(READY, "Set", message, is_true=True)
    message = (
        "the SPIRE server federates as asked for; somebody else made the relationship, so it "
        "stays when this object is deleted"
    )
    return _Said(READY, "Adopted", message, is_true=True)


def _available(*, has_bundle: bool) -> _Said:
    message = "" if has_bundle else "the SPIRE server could not fetch the bundle yet"
    reason = "Fetched" if has_bundle else "BundleMissing"
    return _Said(BUNDLE, reason, message, is_true=has_bundle)


def _condition(said: _Said, obj: ClusterFederatedTrustDomain, now: str) -> Condition:
    return Condition(
        type=said.type,
        status="True" if said.is_true else "False",
        reason=said.reason,
        message=said.message,
        observed_generation=obj.metadata.generation,
        last_transition_time=now,
    )


def _fresh(refreshed: Refreshed, old: Condition | None) -> _Said:
    if not refreshed.problem:
        return _Said(FRESH, "Fetched", "", is_true=True)
    message = refreshed.problem
    if old is not None and old.status == "False" and _alike(old.message, message):
        message = old.message
    return _Said(FRESH, "RefreshFailed", message, is_true=False)


def _source(reading: Reading) -> _Said:
    if reading.problem is not None:
        problem = reading.problem
        return _Said(SOURCE, problem.reason, problem.message, is_true=False)
    return _Said(SOURCE, "Read", "", is_true=True)


def _alike(one: str, other: str) -> bool:
    return _NUMBER.sub("0", one) == _NUMBER.sub("0", other)
