"""Why the SPIRE server does not federate as a ClusterFederatedTrustDomain asks."""

from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.federationstatus import UNDECODABLE
from manager.explain.model import Considered
from manager.preview.rehearsal import Preview
from registrar.claims.claim import Claimant, Problem
from registrar.claims.classes import Classes, by_class
from registrar.claims.federatedtrustdomain import (
    TRUST_DOMAIN_INDEX,
    bare,
    conflict,
    oldest_first,
    wanted_by,
)
from registrar.errors import InvalidField
from registrar.kube.store import Store
from registrar.settings.model import Settings


def why_not_federated(preview: Preview, named: Claimant) -> Considered | None:
    """What is wrong with an object, by the registrar's own rules; None for nothing, or no object.

    What a start of the registrar said of it comes first: only that knows what the server answered.
    """
    store = preview.mode.trust_domains
    obj = None if store is None else store.get(ObjectKey("", named.name))
    if store is not None and obj is not None:
        unmet = _classes(preview.settings).unmet(obj.spec.class_name)
        if unmet is not None:
            return Considered(by=named, unmet=unmet)
    for finding in preview.outlook.findings:
        if finding.object == named:
            return Considered(by=named, reason=finding.reason, message=finding.message)
    problem = preview.shared.problems.get(named)
    if problem is None and store is not None and obj is not None:
        problem = _wrong(obj, store, preview.settings)
    if problem is None:
        return None
    return Considered(by=named, reason=problem.reason, message=problem.message)


def _wrong(
    obj: ClusterFederatedTrustDomain, store: Store[ClusterFederatedTrustDomain], settings: Settings
) -> Problem | None:
    """What is wrong with an object of this registrar; without a cluster no status says it."""
    is_handled = _classes(settings)
    broken = store.broken.get(obj.key)
    if broken is not None:
        return Problem(UNDECODABLE, broken.error)
    found = (
        store.get(key) for key in store.by_index(TRUST_DOMAIN_INDEX, bare(obj.spec.trust_domain))
    )
    rivals = [one for one in found if one is not None and is_handled(one.spec.class_name)]
    winner = oldest_first(rivals)[0]
    try:
        wanted_by(obj, trust_domain=settings.trust_domain)
    except InvalidField as error:
        return Problem("InvalidSpec", str(error))
    return None if winner.key == obj.key else conflict(obj, winner)


def _classes(settings: Settings) -> Classes:
    manager = settings.controller_manager
    return by_class(
        settings.class_name, watch_classless=manager is not None and manager.watch_classless
    )
