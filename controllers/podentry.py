"""Pods and Nodes straight to claims: the reconcile and webhook modes."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from api.core import Node, Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.book import Book
from controllers.complaints import (
    ALL,
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_OF_ANOTHER_SERVICE,
    SERVICES_UNREADABLE,
    Complaints,
)
from controllers.ports import Mirror, Services
from controllers.sources import Claims, addresses_of
from registrar.claims.claim import Claim, Origin, Problem, Source
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import (
    PodEntries,
    names_of_other_services,
    node_claim,
    node_source,
    pod_claim,
    pod_of_key,
    pod_source,
)
from registrar.claims.relation import Relation
from registrar.claims.servicenames import Shared
from registrar.errors import InvalidField
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Store


class Pods(Protocol):
    """The Pods that there are, or are about to be."""

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod, or None."""
        ...

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether nobody can tell if there is one: it does not decode, or may not be read."""
        ...

    def may_have(self, key: ObjectKey, created: int) -> bool:
        """Whether it may have the entry that was made then (Unix seconds), for all one can tell."""
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


class PodEntryReconciler:
    """Keeps the claims of Pods in line with them. No remote call.

    ``on_pod`` is told of each Pod that claims for the first time.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        book: Book,
        *,
        rules: PodEntries,
        pods: Pods,
        services: Services | None,
        namespace_uid: Callable[[str], str],
        complaints: Complaints,
        mirror: Mirror,
        on_pod: Callable[[Source], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._rules = rules
        self._pods = pods
        self._services = services
        self._namespace_uid = namespace_uid
        self._complaints = complaints
        self._mirror = mirror
        self._claims = Claims(book, mirror)
        self._on_pod = on_pod
        # Those whose claims are only what the SPIRE server held.
        self._kept: set[ObjectKey] = set()
        # Which Pods have, or would have, a name of which service.
        self._names: Relation[ObjectKey, ObjectKey] = Relation()

    def held(self) -> list[ObjectKey]:
        """The Pods for which the SPIRE server holds entries that nothing was said of yet."""
        signs = self._book.last_good.signs()
        pods = {
            ObjectKey(sign.namespace, sign.name)
            for sign in signs
            if isinstance(sign, Source) and sign.kind == POD.kind
        }
        return list(pods | self._kept)

    def hold(self, entry: Entry) -> ObjectKey | None:
        """Take an entry that nobody claims for that of a Pod of which nothing can be said.

        Gives the Pod, which must be looked at again; None where it is known, or known to be gone.
        """
        pod = pod_of_key(entry.key, self._rules)
        if pod is None or self._pods.get(pod) is not None:
            return None
        if not self._pods.may_have(pod, entry.created_at):
            return None
        self._book.last_good.inherit(entry)
        return pod

    def let_go(self, entry: Entry) -> bool:
        """Somebody deleted an entry: no longer claim it, if that is all that can be known."""
        pod = pod_of_key(entry.key, self._rules)
        if pod is None:
            return False
        source = pod_source(pod)
        claims = self._book.index.of_source(source)
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
        source = pod_source(key)
        for claim in self._book.index.of_source(source):
            self._mirror.doubt(claim.key)
            self._book.wake.entry(claim.key)

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Bring the claims of one Pod up to date. Raises Retry while services are being read."""
        source = pod_source(key)
        self._claims.begin(source, source)
        pod = self._pods.get(key)
        if pod is None and self._pods.is_unknown(key):
            touched = self._keep_held(source, key)
        elif pod is None:
            self._complaints.forget(key, *ALL)
            self._names.set(key, ())
            self._kept.discard(key)
            if self._pods.is_said_to_go(key):
                self._book.departed.saw(source)
            for claim in self._book.index.of_source(source):
                for entry in self._mirror.entries_of(claim.key):
                    self._pods.leaves(key, entry.created_at)
            touched = self._claims.remove(source)
        else:
            touched = self._claim(source, pod)
        self._claims.announce(source, touched)
        if self._claims.is_known(source):
            self._book.wake.status(source)
        return Done()

    def _claim(self, source: Source, pod: Pod) -> set[EntryKey]:
        held = self._held_claims(source)
        addresses = addresses_of(self._services, pod.key)
        borrowed = self._borrowed(pod, addresses or ())
        try:
            claim = pod_claim(
                pod,
                self._rules,
                addresses=addresses or (),
                namespace_uid=self._namespace_uid(pod.metadata.namespace),
                without=frozenset(shared.name for shared in borrowed),
            )
        except InvalidField as error:
            self._complaints.say(pod, INVALID_IDENTITY, str(error))
            return self._keep_last_good(source, pod, Problem(INVALID_IDENTITY, str(error)))
        self._complaints.say(pod, INVALID_IDENTITY, "")
        annotated = annotated_federation(pod.metadata.annotations, self._rules.trust_domain)
        self._complaints.say(pod, INVALID_FEDERATION, "" if claim is None else annotated.problem)
        self._complaints.say(
            pod, NAME_OF_ANOTHER_SERVICE, _borrowing(borrowed if claim is not None else ())
        )
        self._kept.discard(pod.key)
        if claim is None:
            return self._claims.remove(source)
        problem = self._services.problem() if self._services and addresses is None else ""
        self._complaints.say(pod, SERVICES_UNREADABLE, problem)
        if problem:
            before = (*self._book.index.of_source(source), *held)
            claim = _with_names_of(claim, (known for known in before if known.key == claim.key))
        if not self._book.index.has(source):
            self._on_pod(source)
        return self._claims.put(source, [claim], lambda: held)

    def _borrowed(self, pod: Pod, addresses: Collection[ServiceAddress]) -> list[Shared]:
        """The names of the Pod that are those of services which are there and not behind it."""
        if self._services is None:
            return []
        shared = names_of_other_services(pod, self._rules, addresses)
        self._names.set(pod.key, {name.service for name in shared})
        return [name for name in shared if self._services.exists(name.service)]

    def wake_sharing(self, service: ObjectKey) -> None:
        """A service came or went: look at the Pods that have, or would have, its name."""
        for pod in list(self._names.keys_of(service)):
            self._book.wake.pod(pod)

    def _keep_last_good(self, source: Source, pod: Pod, problem: Problem) -> set[EntryKey]:
        """Fail static, but for another Pod of that name: what one was given no other inherits."""
        uid, touched = pod.metadata.uid, set[EntryKey]()
        if any(claim.uid not in {"", uid} for claim in self._book.index.of_source(source)):
            touched = self._claims.remove(source)

        def held() -> list[Claim]:
            claims = self._held_claims(source)
            return [claim for claim in claims if self._claims.holders(claim.key) <= {uid}]

        return touched | self._claims.keep_last_good(source, problem, held)

    def _keep_held(self, source: Source, key: ObjectKey) -> set[EntryKey]:
        """Fail static: what SPIRE holds for a Pod of which nothing can be said is kept."""
        if any(claim.uid for claim in self._book.index.of_source(source)):
            return set()  # it was known once
        # Those that are kept already stay so; more may have come from another replica.
        held = [*self._book.index.of_source(source), *self._held_claims(source)]
        if not held:
            return set()
        self._kept.add(key)
        return self._claims.put(source, held, tuple)

    def _held_claims(self, source: Source) -> list[Claim]:
        """The claims that the entries found on the SPIRE server for a Pod stand for."""
        return [
            Claim(source=source, key=entry.key, attributes=entry.attributes, origin=Origin.POD)
            for entry in self._book.last_good.signed(source)
        ]


class NodeEntryReconciler:
    """Keeps the claims of Nodes in line with them. No remote call."""

    def __init__(
        self, book: Book, *, rules: PodEntries, nodes: Store[Node], mirror: Mirror
    ) -> None:
        self._rules = rules
        self._nodes = nodes
        self._claims = Claims(book, mirror)

    async def reconcile(self, name: str) -> Outcome:
        """Bring the claim of one Node up to date."""
        source, key = node_source(name), ObjectKey("", name)
        self._claims.begin(source, source)
        node = self._nodes.get(key)
        if key in self._nodes.broken:
            return Done()
        if node is None:
            touched = self._claims.remove(source)
        else:
            touched = self._claims.put(source, [node_claim(node, self._rules)], lambda: ())
        self._claims.announce(source, touched)
        return Done()


def _borrowing(borrowed: Sequence[Shared]) -> str:
    """What the Event says of names that are left out; empty for none."""
    if not borrowed:
        return ""
    name, service = borrowed[0]
    more = f" ({len(borrowed)} such names)" if len(borrowed) > 1 else ""
    return (
        f"left out of its DNS names: {name!r}, by which the service {service} is known{more}; "
        "rename the Pod's hostname or its service if it should have a name like that"
    )


def _with_names_of(claim: Claim, before: Iterable[Claim]) -> Claim:
    """The claim with the DNS names that it had, if they are those of the same address."""
    names = claim.attributes.dns_names
    for known in before:
        if names and set(names) <= set(known.attributes.dns_names):
            attributes = replace(claim.attributes, dns_names=known.attributes.dns_names)
            return replace(claim, attributes=attributes)
    return claim
