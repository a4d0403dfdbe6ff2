"""Asks the sources of a rehearsed registrar what their objects claim, and why not."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator

from api.crd import CUSTOM_KINDS
from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, NODE, POD, SPIRE_ENTRY
from api.meta import ObjectKey
from controllers.source import AnySource
from manager.caches.cache import Unread
from manager.explain.known import Known
from manager.explain.model import MASKED, Considered
from registrar.claims.claim import Claimant, Problem
from registrar.claims.judged import Judged
from registrar.errors import Retry

_DECIDE_NO_ENTRY = frozenset({CLUSTER_FEDERATED_TRUST_DOMAIN.resource, SPIRE_ENTRY.resource})


async def judged_pod(sources: Iterable[AnySource], key: ObjectKey) -> list[Judged]:
    """What the rules of the mode say of a Pod; empty where Pods ask for nothing in it."""
    return await judged(sources, Claimant(POD.kind, key.namespace, key.name))


async def judged(sources: Iterable[AnySource], named: Claimant) -> list[Judged]:
    """What the rules say of one object; empty for no such object, or a kind that claims nothing."""
    found: list[Judged] = []
    for source in sources:
        if source.kind == named.kind and source.explain is not None:
            found += await _asked(source, named)
    return found


async def judged_objects(
    sources: Iterable[AnySource], *, without: Collection[Claimant] = ()
) -> AsyncIterator[Judged]:
    """What the rules say of each object that people write, whatever its kind."""
    for source in sources:
        if source.explain is None or source.kind in {POD.kind, NODE.kind}:
            continue
        for key in list(source.keys()):
            place = _place(key)
            named = Claimant(source.kind, place.namespace, place.name)
            for one in await _asked(source, named) if named not in without else ():
                yield one


def considered_of(judged: Iterable[Judged]) -> Iterator[Considered]:
    """Those that give nothing, or of which something is wrong."""
    for one in judged:
        if one.unmet is not None:
            yield Considered(by=one.by, unmet=one.unmet)
        elif one.problem is not None:
            kept = "; what it had stays" if one.claims else ""
            message = one.problem.message + kept
            yield Considered(by=one.by, reason=one.problem.reason, message=message)
        elif one.masked_by:
            message = f"{one.masked_by} is older and asks for the same entry"
            yield Considered(by=one.by, reason=MASKED, message=message)
        elif not one.claims:
            for reason, message in one.warnings.items():
                yield Considered(by=one.by, reason=reason, message=message)


def unread(known: Known) -> list[str]:
    """What the registrar could not read either."""
    return [said(one) for one in known.unread]


def undecided(known: Known, kind: str = "") -> list[str]:
    """What could not be read of the kinds that decide what an object of that kind gives.

    What only others ask for decides nothing of it; of a Pod, no kind, all who may ask do. A kind
    that is not installed has no objects, which is known.
    """
    names = {cache.name for cache in known.mode.caches} - _DECIDE_NO_ENTRY
    if kind:
        names -= {one.kind.resource for one in CUSTOM_KINDS if one.kind.kind != kind}
    unread = (one for one in known.unread if one.resource in names and not one.is_missing)
    return [said(one) for one in unread]


def unread_kind(known: Known, kind: str) -> str:
    """Why the objects of a custom kind are not known; empty where they are, or are not needed."""
    names = {one.kind.resource for one in CUSTOM_KINDS if one.kind.kind == kind}
    unread = (one for one in known.unread if one.resource in names and not one.is_missing)
    return next(map(said, unread), "")


def said(one: Unread) -> str:
    """What could not be read, why, and what to do about it."""
    return ": ".join(filter(None, (one.resource, one.why, one.remedy)))


async def _asked(source: AnySource, named: Claimant) -> list[Judged]:
    if source.explain is None:
        return []
    try:
        return await source.explain(ObjectKey(named.namespace, named.name))
    except Retry as error:
        return [Judged(by=named, problem=Problem(error.reason, str(error)))]


def _place(key: object) -> ObjectKey:
    """The key of an object, of which some sources know the name alone."""
    return key if isinstance(key, ObjectKey) else ObjectKey("", str(key))
