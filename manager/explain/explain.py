"""One question, one answer: plays the registrar's start and looks at what came of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, POD
from api.meta import ObjectKey
from manager.caches.cache import Unread
from manager.explain.asking import said
from manager.explain.federation import explain_federation
from manager.explain.known import Known
from manager.explain.model import Explanation
from manager.explain.objects import ObjectExplainer
from manager.explain.pod import PodExplainer
from manager.explain.reading import Reading
from manager.explain.rehearsed import Rehearsed
from manager.explain.subjects import Subject
from manager.preview.rehearsal import CannotPreview, Preview, rehearsed
from registrar.settings.model import Settings


async def explain(
    settings: Settings,
    subject: Subject,
    *,
    namespace: str | None = None,
    deadline_seconds: float | None = None,
) -> Explanation:
    """The answer. Raises InvalidField for settings that are wrong, and CannotPreview.

    ``namespace`` is the one that the registrar runs in; see ``rehearsed``.
    """
    loop = asyncio.get_running_loop()
    ends = None if deadline_seconds is None else loop.time() + deadline_seconds
    playing = rehearsed(settings, namespace=namespace, deadline_seconds=deadline_seconds)
    async with playing as preview:
        # What is left of the same time: to be asked for reasons takes long too.
        deadline = asyncio.timeout_at(ends)
        try:
            async with deadline:
                return await explained(preview, subject, now=time.time())
        except TimeoutError:
            if not deadline.expired():
                raise
            what = f"asking about {subject.kind} {subject.name}"
            why = f"it took more than {deadline_seconds:g} s"
            raise CannotPreview(Unread(what, why, "allow more time (--timeout)")) from None


def unexplained(subject: Subject, unread: Sequence[Unread]) -> Explanation:
    """The answer where what cannot be read leaves nothing to go by."""
    lines = [said(one) for one in unread]
    return Explanation(
        subject=f"{subject.kind} {subject.shown}",
        verdict=f"nobody can tell: {'; '.join(lines)}",
        has_identity=None,
        unknown=lines,
    )


async def explained(preview: Preview, subject: Subject, *, now: float) -> Explanation:
    """The answer, as of what a rehearsal found; ``now`` is Unix time."""
    known = Rehearsed(preview)
    reading = Reading(known)
    if subject.kind == CLUSTER_FEDERATED_TRUST_DOMAIN.kind:
        return _with_facts(known, await explain_federation(preview, reading, subject))
    return await answered(known, reading, subject, now=now)


async def answered(known: Known, reading: Reading, subject: Subject, *, now: float) -> Explanation:
    """The answer about a Pod, an entry, or what asks for entries."""
    if subject.kind == POD.kind:
        key = ObjectKey(subject.namespace, subject.name)
        found = await PodExplainer(known, reading, now=now).explain(key)
    else:
        found = await ObjectExplainer(known, reading, now=now).explain(subject)
    return _with_facts(known, found)


def _with_facts(known: Known, found: Explanation) -> Explanation:
    mode = {"mode": known.settings.mode, "trust domain": known.settings.trust_domain}
    return replace(found, facts={**found.facts, **mode})
