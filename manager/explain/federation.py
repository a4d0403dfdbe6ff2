"""Why the SPIRE server does not federate as a ClusterFederatedTrustDomain asks."""

from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.federationstatus import UNDECODABLE
from manager.explain.asking import unread, unread_kind
from manager.explain.model import Considered, Explanation
from manager.explain.reading import Reading
from manager.explain.rehearsed import Rehearsed
from manager.explain.subjects import Subject
from manager.explain.verdict import because
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


async def explain_federation(preview: Preview, reading: Reading, subject: Subject) -> Explanation:
    """What became of the federation relationship that an object asks for."""
    known, named = Rehearsed(preview), subject.claimant
    found = why_not_federated(preview, named)
    changes = [c for c in preview.outlook.relationships if named in c.objects]
    is_set: bool | None = False
    if found is not None and found.unmet is not None:
        verdict = f"{named} gives nothing, because {because(found)}"
    elif found is not None:
        verdict = f"{named} is wrong: {found.why}"
    elif changes:
        change = changes[0]
        is_set = not any(one.action.is_change for one in changes)
        verdict = f"the registrar would {change.action.value} what {named} asks for"
        if is_set:
            verdict = f"the SPIRE server federates with {change.trust_domain} as it asks"
    elif doubt := unread_kind(known, named.kind):
        is_set, verdict = None, f"nobody can tell whether there is a {named}: {doubt}"
    else:
        verdict = f"there is no {named} that this registrar reads: is the name right?"
    return Explanation(
        subject=f"{subject.kind} {subject.shown}",
        verdict=verdict,
        has_identity=is_set,
        considered=[] if found is None else [found],
        events=await reading.events([named]),
        unknown=[*reading.unknown, *unread(known)],
    )


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
