"""Pods and Nodes to claims, in every mode: gather what is known, ask the rules, claim.

The mode says where its knowledge comes from (``Gather``), what is asked of the rules
(``registrar.claims``) and who tells people what is wrong (``Report``). Nothing here makes a
remote call, and nothing here decides what a Pod may have.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from api.core import Node
from api.meta import KubeObject, ObjectKey
from controllers.claiming import Claims
from controllers.ports import Mirror
from controllers.shared import SharedState
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.judged import Judged
from registrar.claims.podentry import node_source, pod_source
from registrar.claims.podrules import PodRules, Wanted, own
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Done, Result
from registrar.kube.store import Store

P = TypeVar("P", bound=KubeObject)
V = TypeVar("V")
W = TypeVar("W", bound=Wanted)
P_contra = TypeVar("P_contra", bound=KubeObject, contravariant=True)
W_contra = TypeVar("W_contra", bound=Wanted, contravariant=True)


class Gather(Protocol[P, V]):
    """What a mode knows of Pods."""

    def pod(self, key: ObjectKey) -> P | None:
        """The Pod as it is now; None for none, and for one that cannot be read."""
        ...

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether nobody can tell if there is one: it does not decode, or may not be read."""
        ...

    def sign(self, key: ObjectKey, pod: P | None) -> Sign | None:
        """What the entries of the Pod say of themselves; None where it has none."""
        ...

    def view(self, pod: P, last_good: Callable[[], Sequence[Claim]]) -> V:
        """What the rules need to know of the Pod. Raises Retry while that is being read.

        ``last_good`` gives what the Pod claimed before; it is asked only where the rules need it.
        """
        ...

    def is_current(self, pod: P, view: V) -> bool:
        """Whether what the rules saw is still so, now that others had their turn. Raises Retry."""
        ...

    def gone(self, key: ObjectKey) -> None:
        """There is no such Pod."""
        ...


class Held(Protocol):
    """What the SPIRE server holds for Pods that claim nothing yet in this term."""

    def claims(self, source: Claimant, uid: str) -> list[Claim]:
        """The claims that the entries of a Pod, or an earlier one of its name, stand for."""
        ...

    def last_good(self, source: Claimant, uid: str) -> list[Claim]:
        """Those of them that are not known to be an earlier one's."""
        ...

    def keep(self, source: Claimant, sign: Sign | None) -> set[EntryKey]:
        """Claim what is there for a Pod of which nothing can be said; gives the touched keys."""
        ...

    def may_have(self, claim: Claim, uid: str) -> bool:
        """Whether what was kept may be the very Pod's, and is not known to be an earlier one's."""
        ...

    def known(self, source: Claimant) -> None:
        """What the Pod should have is known, or that it is gone: what was kept counts no more."""
        ...


class Report(Protocol[P_contra, W_contra]):
    """Tells people what came of a Pod."""

    def tell(self, pod: P_contra, wanted: W_contra) -> None:
        """A Pod was looked at and claims what it should."""
        ...

    def gone(self, key: ObjectKey) -> None:
        """There is no such Pod."""
        ...


class PodReconciler(Generic[P, V, W]):
    """Keeps the claims of Pods in line with them.

    ``on_pod`` is told of each Pod that claims for the first time. ``judged`` tells what came of a
    Pod under each object that may ask for it, where Pods do not ask by themselves.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        shared: SharedState,
        *,
        gather: Gather[P, V],
        rules: PodRules[V, W],
        held: Held,
        report: Report[P, W],
        mirror: Mirror,
        source_of: Callable[[ObjectKey], Claimant] = pod_source,
        on_pod: Callable[[Claimant], None] = lambda _: None,
        judged: Callable[[P, W], list[Judged]] | None = None,
    ) -> None:
        self._shared = shared
        self._source_of = source_of
        self._gather = gather
        self._rules = rules
        self._held = held
        self._report = report
        self._claims = Claims(shared, mirror)
        self._on_pod = on_pod
        self._judged = judged or self._judge

    async def reconcile(self, key: ObjectKey) -> Result:
        """Bring the claims of one Pod up to date.

        Raises Retry while something that they come of is not known yet.
        """
        source, pod = self._source_of(key), self._gather.pod(key)
        sign = self._gather.sign(key, pod)
        self._claims.begin(source, sign, uid=pod.metadata.uid if pod else "")
        found = await self.wanted(key)
        if found is None:
            # Asked after the others' turns: one that cannot be read any more is not gone.
            if self.is_unknown(key):
                self._announce(source, self._held.keep(source, sign))
            else:
                self._gone(key, source)
            return Done()
        pod, wanted = found
        self._announce(source, self._claim(source, pod.metadata.uid, wanted))
        self._report.tell(pod, wanted)
        return Done()

    async def explain(self, key: ObjectKey) -> list[Judged]:
        """What one Pod claims and why; empty where there is none. Raises Retry."""
        source, found = self._source_of(key), await self.wanted(key)
        if found is None:
            unknown = Problem("Unknown", "it does not decode, or may not be read")
            claims = tuple(self._shared.index.of_source(source))
            is_unknown = self.is_unknown(key)
            return [Judged(by=source, claims=claims, problem=unknown)] if is_unknown else []
        return self._judged(found[0], found[1])

    def _judge(self, pod: P, wanted: W) -> list[Judged]:
        """What the rules said of a Pod; it asks by itself."""
        source = self._source_of(pod.key)
        kept = () if wanted.problem is None else tuple(self._shared.index.of_source(source))
        return [
            Judged(
                by=source,
                claims=wanted.claims or kept,
                unmet=wanted.unmet,
                problem=wanted.problem,
                warnings={reason: text for reason, text in wanted.warnings.items() if text},
            )
        ]

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether nobody can tell if there is such a Pod, or what it should have."""
        return self._gather.pod(key) is None and self._gather.is_unknown(key)

    async def wanted(self, key: ObjectKey) -> tuple[P, W] | None:
        """The Pod and what it should have; None where there is none. Raises Retry.

        The rules may give others a turn. What they saw may be another then: all begins again.
        """
        source, pod = self._source_of(key), self._gather.pod(key)
        while pod is not None:
            view = self._gather.view(pod, partial(self._last_good, source, pod.metadata.uid))
            wanted = await self._rules.want(view)
            now = self._gather.pod(key)
            if now is not None and self._gather.is_current(now, view):
                return pod, wanted
            pod = now
        return None

    def _last_good(self, source: Claimant, uid: str) -> list[Claim]:
        """What the very Pod claimed before, or what the SPIRE server holds for it."""
        index = self._shared.index
        if index.has(source):
            claims = own(index.of_source(source), uid)
            return [claim for claim in claims if self._held.may_have(claim, uid)]
        return self._held.last_good(source, uid)

    def _claim(self, source: Claimant, uid: str, wanted: Wanted) -> set[EntryKey]:
        index = self._shared.index
        if wanted.problem is not None:
            return self._keep_last_good(source, uid, wanted)
        self._held.known(source)
        if wanted.claims and not index.has(source):
            self._on_pod(source)
        return self._claims.put(source, wanted.claims, lambda: self._held.claims(source, uid))

    def _keep_last_good(self, source: Claimant, uid: str, wanted: Wanted) -> set[EntryKey]:
        """Fail static, but for another Pod of that name: what one was given no other inherits."""
        index, touched = self._shared.index, set[EntryKey]()
        last_good = self._last_good(source, uid)
        if len(last_good) < len(index.of_source(source)):
            touched = self._claims.remove(source)
            last_good += self._held.last_good(source, uid)
        shown = wanted.problem if wanted.is_shown else None
        return touched | self._claims.keep_last_good(source, shown, lambda: last_good)

    def _gone(self, key: ObjectKey, source: Claimant) -> None:
        self._held.known(source)
        self._gather.gone(key)
        self._announce(source, self._claims.remove(source))
        self._report.gone(key)

    def _announce(self, source: Claimant, touched: set[EntryKey]) -> None:
        self._claims.announce(source, touched)
        # An entry that is under way tells its sources itself when it is settled.
        if not self._claims.is_known(source):
            return
        claims = self._shared.index.of_source(source)
        for subject in {claim.holder for claim in claims} or {source}:
            self._shared.wake.status(subject)


class NodeReconciler:
    """Keeps the claims of Nodes in line with them, without objects in between.

    ``claim_of`` is the rule.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        nodes: Store[Node],
        claim_of: Callable[[Node], Claim],
        mirror: Mirror,
    ) -> None:
        self._nodes = nodes
        self._claim_of = claim_of
        self._claims = Claims(shared, mirror)

    async def reconcile(self, name: str) -> Result:
        """Bring the claim of one Node up to date."""
        source, key = node_source(name), ObjectKey("", name)
        self._claims.begin(source, source)
        node = self._nodes.get(key)
        if key in self._nodes.broken:
            return Done()
        if node is None:
            touched = self._claims.remove(source)
        else:
            touched = self._claims.put(source, [self._claim_of(node)], lambda: ())
        self._claims.announce(source, touched)
        return Done()
