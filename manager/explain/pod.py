"""Why one Pod has its identities, or has none.

Three questions in their order: who asks for an identity for it, whether the SPIRE server holds
the entry, and whether an agent on its node would give it to the Pod. The first that is answered
with no is the reason.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from api.attested import AttestedPod
from api.kinds import POD
from api.meta import ObjectKey
from manager.explain.asking import considered_of, judged_objects, judged_pod, undecided, unread
from manager.explain.entries import Entries
from manager.explain.known import Known
from manager.explain.model import Considered, Explanation, Identity
from manager.explain.reading import Reading
from manager.explain.turns import in_turns
from manager.explain.verdict import closest, verdict_of_pod
from registrar.claims.judged import Judged
from registrar.claims.podentry import pod_source
from registrar.claims.podselectors import Fit, PodSelectors
from registrar.claims.serving import Agents, Serving
from registrar.claims.unmet import NOT_READ, SELECTORS, Unmet, finished, not_bound
from registrar.identity.entry import EntryKey

MOST_CONSIDERED = 12


class PodExplainer:
    """Explains Pods; ``now`` is Unix time."""

    def __init__(self, known: Known, reading: Reading, *, now: float) -> None:
        self._known = known
        self._reading = reading
        self._now = now

    async def explain(self, key: ObjectKey) -> Explanation:
        """The explanation of one Pod."""
        pod = await self._reading.pod(key)
        judged = await judged_pod(self._known.sources, key)
        seen = None if pod is None else _Seen(pod, PodSelectors(pod))
        agents = await self._reading.agents()
        if seen is not None:
            self._reading.note(await self._known.look(pod=seen.selectors))
        entries = Entries(self._known)
        serves = await entries.agents(agents)
        notes = {claim.key: one.warnings for one in judged for claim in one.claims if one.warnings}
        identities = [
            self._identity(entries.identity(entry_key), seen, serves, notes.get(entry_key, {}))
            for entry_key in await self._keys(seen, judged)
        ]
        # What only the agent can tell comes last.
        identities.sort(key=lambda one: one.fit is not None and bool(one.fit.unknown))
        considered = [*considered_of(judged), *[one async for one in self._others(seen, judged)]]
        if pod is not None and not judged and self._reads_pods():
            wanted = "one that the registrar reads"
            unmet = Unmet(NOT_READ, "the Pod", wanted, "one that it does not read")
            considered.append(Considered(by=pod_source(key), unmet=unmet))
        considered.sort(key=closest)
        concerned = [pod_source(key), *(i.by for i in identities if i.by is not None)]
        concerned += [one.by for one in considered[:MOST_CONSIDERED]]
        explanation = Explanation(
            subject=f"Pod {key}",
            verdict="",
            has_identity=self._has_identity(pod, identities),
            facts={} if pod is None else _facts(pod),
            identities=identities,
            considered=considered[:MOST_CONSIDERED],
            left_out=max(0, len(considered) - MOST_CONSIDERED),
            events=await self._reading.events(concerned),
            unknown=[*self._reading.unknown, *unread(self._known)],
        )
        is_there = pod is not None or bool(judged)
        verdict = verdict_of_pod(explanation, key, is_there=is_there, doubts=self._doubts())
        return replace(explanation, verdict=verdict)

    def _has_identity(self, pod: AttestedPod | None, identities: Sequence[Identity]) -> bool | None:
        """Whether it has one; None where what cannot be read would decide that, or the reason."""
        if any(identity.is_served for identity in identities):
            return True
        if self._reading.no_pod or any(identity.may_be_served for identity in identities):
            return None
        if pod is None or finished(pod.status.phase) or not_bound(pod.spec.node_name):
            return False
        if any(identity.by is not None for identity in identities):
            return False
        return None if undecided(self._known) else False

    def _doubts(self) -> list[str]:
        """What cannot be read and may decide what the Pod gets, the nearest first."""
        nearest = (self._reading.no_pod, self._reading.no_agents)
        return [*filter(None, nearest), *undecided(self._known)]

    def _reads_pods(self) -> bool:
        """Whether Pods ask for something by themselves in this mode, or by templates."""
        return any(source.kind == POD.kind for source in self._known.sources)

    async def _keys(self, seen: "_Seen | None", judged: Iterable[Judged]) -> list[EntryKey]:
        """The keys that somebody asks for on behalf of the Pod, or that select it."""
        own = {claim.key for one in judged for claim in one.claims}
        if seen is not None:
            index = self._known.shared.index
            held = (entry.key for entry in self._known.entries())
            async for key in in_turns(chain(index.keys(), held)):
                if seen.is_selected(key):
                    own.add(key)
        return sorted(own, key=lambda key: (key.spiffe_id, key.parent_id, key.selectors))

    def _identity(
        self,
        identity: Identity,
        seen: "_Seen | None",
        agents: Agents | None,
        notes: Mapping[str, str],
    ) -> Identity:
        key, identity = identity.key, replace(identity, notes=notes)
        if seen is None:
            return replace(identity, in_doubt=bool(self._reading.no_pod))
        node, phase = seen.pod.spec.node_name, seen.pod.status.phase
        unmet = finished(phase) or not_bound(node)
        serving = None
        if unmet is not None:
            serving = Serving(unmet=unmet)
        elif agents is not None:
            serving = agents.serving(key.parent_id, node, now=self._now)
        return replace(
            identity,
            fit=seen.selectors.fit(key.selectors),
            serving=serving,
            in_doubt=serving is None,
        )

    async def _others(
        self, seen: "_Seen | None", judged: Iterable[Judged]
    ) -> AsyncIterator[Considered]:
        """Objects that ask by themselves and are wrong, not ours, or select other Pods."""
        known = {one.by for one in judged}
        async for one in judged_objects(self._known.sources, without=known):
            for considered in considered_of([one]):
                yield considered
            if seen is None or one.unmet is not None or one.problem is not None:
                continue
            for claim in one.claims:
                fit = seen.selectors.fit(claim.key.selectors)
                if fit.missing and fit.matched:
                    yield Considered(by=one.by, unmet=seen.missing(fit))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The Pod, and the selectors that an agent makes of it."""

    pod: AttestedPod
    selectors: PodSelectors

    def is_selected(self, key: EntryKey) -> bool:
        """Whether the entry is for the Pod, by at least one thing that can be known of it here."""
        fit = self.selectors.fit(key.selectors)
        return fit.is_whole and bool(fit.matched)

    def missing(self, fit: Fit) -> Unmet:
        """The first selector of an entry that the Pod has not, with what it has."""
        first = fit.missing[0]
        field = f"the Pod's {first.type}:{first.value.partition(':')[0]}"
        return Unmet(SELECTORS, field, repr(first.value), self.selectors.instead_of(first))


def _facts(pod: AttestedPod) -> dict[str, str]:
    return {
        "uid": pod.metadata.uid,
        "phase": pod.status.phase,
        "node": pod.spec.node_name or "none yet",
        "service account": pod.spec.service_account_name,
    }
