"""What the reconcile and webhook modes know of Pods: what is stored, announced, or only held.

The Pod reconciler gathers from here. The claims of a Pod of which nothing can be said are
those that the SPIRE server holds for it; another replica may have heard of it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.claiming import Claims
from controllers.podservices import addresses_of
from controllers.ports import Mirror, Services
from controllers.shared import SharedState
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.podentry import (
    PodEntries,
    names_of_other_services,
    pod_of_key,
    pod_source,
)
from registrar.claims.podentryrules import PodEntryView
from registrar.claims.relation import Relation
from registrar.identity.entry import Entry, EntryKey


class Pods(Protocol):
    """The Pods that there are, or are about to be."""

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod, or None."""
        ...

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether nobody can tell if there is one: it does not decode, or may not be read."""
        ...

    def saw_entry(self, key: ObjectKey, created: int) -> bool:
        """An entry made then (Unix seconds) was seen; gives whether the Pod may have it."""
        ...

    def is_said_to_go(self, key: ObjectKey) -> bool:
        """Whether the API server asked about its deletion, and of no new one of its name."""
        ...

    def leaves(self, key: ObjectKey, created: int) -> None:
        """One that is gone leaves the entry that was made then."""
        ...

    def drop(self, key: ObjectKey) -> bool:
        """Forget a Pod whose entry somebody deleted, if all that is known of it is hearsay."""
        ...


class PodEntryGather:
    """What is known of a Pod, of its services, and of services whose names it would have."""

    def __init__(
        self,
        shared: SharedState,
        *,
        entries: PodEntries,
        pods: Pods,
        services: Services | None,
        namespace_uid: Callable[[str], str],
        mirror: Mirror,
    ) -> None:
        self._shared = shared
        self._entries = entries
        self._pods = pods
        self._services = services
        self._namespace_uid = namespace_uid
        self._mirror = mirror
        # Which Pods have, or would have, a name of which service.
        self._names: Relation[ObjectKey, ObjectKey] = Relation()

    def pod(self, key: ObjectKey) -> Pod | None:
        """The Pod, or None."""
        return self._pods.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether nobody can tell if there is one."""
        return self._pods.is_unknown(key)

    def sign(self, key: ObjectKey, pod: Pod | None) -> Sign:  # noqa: ARG002 - the protocol's
        """Namespace and name of the Pod: its entries select by these."""
        return pod_source(key)

    def view(self, pod: Pod, last_good: Callable[[], Sequence[Claim]]) -> PodEntryView:
        """What the rules need. Raises Waiting while services are being read."""
        services = self._services
        addresses = addresses_of(services, pod.key)
        taken = []
        if services is not None:
            shared = names_of_other_services(pod, self._entries, addresses or ())
            self._names.set(pod.key, {name.service for name in shared})
            taken = [name for name in shared if services.exists(name.service)]
        unreadable = services.problem() if services and addresses is None else ""
        return PodEntryView(
            pod=pod,
            addresses=addresses or (),
            unreadable=unreadable,
            taken=taken,
            namespace_uid=self._namespace_uid(pod.metadata.namespace),
            last_good=last_good() if unreadable else (),
        )

    def is_current(self, pod: Pod, view: PodEntryView) -> bool:  # noqa: ARG002 - the protocol's
        """Nobody else had a turn."""
        return True

    def gone(self, key: ObjectKey) -> None:
        """Whoever hears of Pods by announcements learns which entries are left over."""
        source = pod_source(key)
        self._names.set(key, ())
        if self._pods.is_said_to_go(key):
            self._shared.departed.saw(source)
        for claim in self._shared.index.of_source(source):
            for entry in self._mirror.entries_of(claim.key):
                self._pods.leaves(key, entry.created_at)

    def wake_sharing(self, service: ObjectKey) -> None:
        """A service came or went: look at the Pods that have, or would have, its name."""
        for pod in list(self._names.keys_of(service)):
            self._shared.wake.pod(pod)


class HeldPods:
    """What the SPIRE server holds for Pods of which nothing was said yet, or nothing can be."""

    def __init__(
        self, shared: SharedState, *, entries: PodEntries, pods: Pods, mirror: Mirror
    ) -> None:
        self._shared = shared
        self._entries = entries
        self._pods = pods
        self._mirror = mirror
        self._claims = Claims(shared, mirror)
        # Those whose claims are only what the SPIRE server held.
        self._kept: set[ObjectKey] = set()

    def all(self) -> list[ObjectKey]:
        """The Pods for which the SPIRE server holds entries that nothing was said of yet."""
        signs = self._shared.last_good.signs()
        pods = {
            ObjectKey(sign.namespace, sign.name)
            for sign in signs
            if isinstance(sign, Claimant) and sign.kind == POD.kind
        }
        return list(pods | self._kept)

    def claims(self, source: Claimant, uid: str) -> list[Claim]:  # noqa: ARG002 - the protocol's
        """The claims that the entries found on the SPIRE server for a Pod's name stand for."""
        return [
            Claim(source=source, key=entry.key, attributes=entry.attributes, origin=Origin.POD)
            for entry in self._shared.last_good.signed(source)
        ]

    def last_good(self, source: Claimant, uid: str) -> list[Claim]:
        """Those of them that are not recorded for another Pod of its name."""
        return [claim for claim in self.claims(source, uid) if self.may_have(claim, uid)]

    def keep(self, source: Claimant, sign: Sign | None) -> set[EntryKey]:  # noqa: ARG002 - the protocol's
        """Fail static: what SPIRE holds for a Pod of which nothing can be said is claimed."""
        if any(claim.uid for claim in self._shared.index.of_source(source)):
            return set()  # it was known once
        # Those that are kept already stay so; more may have come from another replica.
        held = [*self._shared.index.of_source(source), *self.claims(source, "")]
        if not held:
            return set()
        self._kept.add(ObjectKey(source.namespace, source.name))
        return self._claims.put(source, held, tuple)

    def may_have(self, claim: Claim, uid: str) -> bool:
        """Whether a claim that was kept, which has no uid, is not recorded for another Pod."""
        return bool(claim.uid) or self._claims.holders(claim.key) <= {uid}

    def known(self, source: Claimant) -> None:
        """What the Pod should have is known, or that it is gone: what was kept counts no more."""
        self._kept.discard(ObjectKey(source.namespace, source.name))

    def hold(self, entry: Entry) -> ObjectKey | None:
        """Take an entry that nobody claims for that of a Pod of which nothing can be said.

        Gives the Pod, which must be looked at again; None where it is known, or known to be gone.
        """
        pod = pod_of_key(entry.key, self._entries)
        if pod is None or self._pods.get(pod) is not None:
            return None
        if not self._pods.saw_entry(pod, entry.created_at):
            return None
        self._shared.last_good.inherit(entry)
        return pod

    def let_go(self, entry: Entry) -> bool:
        """Somebody deleted an entry: no longer claim it, if that is all that can be known."""
        pod = pod_of_key(entry.key, self._entries)
        if pod is None:
            return False
        source = pod_source(pod)
        claims = self._shared.index.of_source(source)
        is_claimed = any(claim.key == entry.key for claim in claims)
        if not is_claimed or not self._pods.drop(pod):
            return False
        others = [claim for claim in claims if claim.key != entry.key] if pod in self._kept else []
        touched = self._claims.remove(source)
        if others:
            touched |= self._claims.put(source, others, tuple)
        else:
            self._kept.discard(pod)
        self._claims.announce(source, touched)
        return True

    def doubt(self, key: ObjectKey) -> None:
        """A Pod is made anew: whether an earlier one's entries are there still must be asked."""
        for claim in self._shared.index.of_source(pod_source(key)):
            self._mirror.doubt(claim.key)
            self._shared.wake.entry(claim.key)
