"""Pods and Nodes straight to claims: the reconcile and webhook modes."""

from collections.abc import Callable, Iterable
from typing import Protocol

from api.core import Node, Pod
from api.meta import ObjectKey
from controllers.book import Book
from controllers.complaints import INVALID_FEDERATION, INVALID_IDENTITY, Complaints
from controllers.ports import Mirror, Services
from controllers.sources import Claims, addresses_of
from registrar.claims.claim import Claim, Origin, Problem, Source
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import (
    PodEntries,
    node_claim,
    node_source,
    pod_claim,
    pod_of_key,
    pod_source,
)
from registrar.errors import InvalidField, Retry
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
        self._claims = Claims(book, mirror)
        self._on_pod = on_pod
        self._held = _held_by_pod(mirror.own.values(), rules)

    def held(self) -> list[ObjectKey]:
        """The Pods for which the SPIRE server holds entries that nothing was said of yet."""
        return list(self._held)

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Bring the claims of one Pod up to date. Raises Retry while services are being read."""
        source = pod_source(key)
        pod = self._pods.get(key)
        if pod is None and self._pods.is_unknown(key):
            touched = self._keep_held(source, key)
        elif pod is None:
            self._complaints.forget(key, INVALID_IDENTITY, INVALID_FEDERATION)
            self._held.pop(key, None)
            touched = self._claims.remove(source)
        else:
            try:
                touched = self._claim(source, pod)
            except Retry:
                # What is released at the end of the first pass must not be what waits for a cache.
                self._claims.announce(source, self._keep_held(source, key))
                raise
        self._claims.announce(source, touched)
        if self._claims.is_known(source):
            self._book.wake.status(source)
        return Done()

    def _claim(self, source: Source, pod: Pod) -> set[EntryKey]:
        held = self._held_claims(source, pod.key)
        try:
            claim = pod_claim(
                pod,
                self._rules,
                addresses=addresses_of(self._services, pod.key),
                namespace_uid=self._namespace_uid(pod.metadata.namespace),
            )
        except InvalidField as error:
            self._complaints.say(pod, INVALID_IDENTITY, str(error))
            problem = Problem(INVALID_IDENTITY, str(error))
            return self._claims.keep_last_good(source, problem, lambda: held)
        self._complaints.say(pod, INVALID_IDENTITY, "")
        annotated = annotated_federation(pod.metadata.annotations, self._rules.trust_domain)
        self._complaints.say(pod, INVALID_FEDERATION, "" if claim is None else annotated.problem)
        self._held.pop(pod.key, None)
        if claim is None:
            return self._claims.remove(source)
        if not self._book.index.has(source):
            self._on_pod(source)
        return self._claims.put(source, [claim], lambda: held)

    def _keep_held(self, source: Source, key: ObjectKey) -> set[EntryKey]:
        """Fail static: what SPIRE holds for a Pod of which nothing can be said is kept."""
        if self._book.index.has(source):
            return set()
        held = self._held_claims(source, key)
        return self._claims.put(source, held, lambda: ()) if held else set()

    def _held_claims(self, source: Source, key: ObjectKey) -> list[Claim]:
        """The claims that the entries found on the SPIRE server for a Pod stand for."""
        return [
            Claim(source=source, key=entry.key, attributes=entry.attributes, origin=Origin.POD)
            for entry in self._held.get(key, ())
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
        node = self._nodes.get(key)
        if key in self._nodes.broken:
            return Done()
        if node is None:
            touched = self._claims.remove(source)
        else:
            touched = self._claims.put(source, [node_claim(node, self._rules)], lambda: ())
        self._claims.announce(source, touched)
        return Done()


def _held_by_pod(entries: Iterable[Entry], rules: PodEntries) -> dict[ObjectKey, list[Entry]]:
    """Entries by the Pod that they are for, as the SPIRE server held them at first."""
    found: dict[ObjectKey, list[Entry]] = {}
    for entry in entries:
        pod = pod_of_key(entry.key, rules)
        if pod is not None:
            found.setdefault(pod, []).append(entry)
    return found
