"""One question, one answer: plays the registrar's start and looks at what came of it."""

import time
from dataclasses import replace

from api.kinds import POD
from api.meta import ObjectKey
from manager.explain.model import Explanation
from manager.explain.objects import ObjectExplainer
from manager.explain.pod import PodExplainer
from manager.explain.reading import Reading
from manager.explain.subjects import Subject
from manager.preview.rehearsal import Preview, rehearsed
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
    playing = rehearsed(settings, namespace=namespace, deadline_seconds=deadline_seconds)
    async with playing as preview:
        return await explained(preview, subject, now=time.time())


async def explained(preview: Preview, subject: Subject, *, now: float) -> Explanation:
    """The answer, as of what a rehearsal found; ``now`` is Unix time."""
    reading = Reading(preview)
    if subject.kind == POD.kind:
        key = ObjectKey(subject.namespace, subject.name)
        found = await PodExplainer(preview, reading, now=now).explain(key)
    else:
        found = await ObjectExplainer(preview, reading, now=now).explain(subject)
    mode = {"mode": preview.settings.mode, "trust domain": preview.settings.trust_domain}
    return replace(found, facts={**found.facts, **mode})
