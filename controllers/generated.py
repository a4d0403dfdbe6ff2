"""Writes the ClusterSpiffeIds that the pod controller assumes, and deletes those it dropped."""

import contextlib

from api.codec import merge_diff, to_json
from api.core import Namespace
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.book import Book
from controllers.ports import Kubernetes, Mirror
from registrar.claims.clusterspiffeid import source_of
from registrar.claims.pods import owned_by, pod_of
from registrar.errors import Retry
from registrar.kube.controller import Done, Outcome
from registrar.kube.errors import AlreadyExists, Conflict, NotFound
from registrar.kube.store import Store


class GeneratedReconciler:
    """One ClusterSpiffeId made for a Pod, by name."""

    def __init__(
        self,
        book: Book,
        *,
        objects: Store[ClusterSpiffeId],
        namespaces: Store[Namespace],
        kube: Kubernetes,
        mirror: Mirror,
    ) -> None:
        self._book = book
        self._objects = objects
        self._namespaces = namespaces
        self._kube = kube
        self._mirror = mirror

    async def reconcile(self, name: str) -> Outcome:
        """Create, correct or delete the object. Raises Retry on somebody else's write."""
        stored = self._objects.get(ObjectKey("", name))
        wanted = self._book.assumed.get(name)
        try:
            if wanted is not None:
                await self._write(wanted, stored)
            elif name in self._book.unwanted:
                await self._delete(name, stored)
        except (AlreadyExists, Conflict) as error:
            raise Retry("Conflict", f"ClusterSpiffeId {name} was changed meanwhile") from error
        return Done()

    async def _write(self, wanted: ClusterSpiffeId, stored: ClusterSpiffeId | None) -> None:
        name = wanted.metadata.name
        if stored is None:
            namespace = self._namespace_of(wanted)
            created = await self._kube.create(CLUSTER_SPIFFE_ID, owned_by(wanted, namespace))
            self._written(created, wanted)
            # The claim has a uid now, so its SpireEntry can name its owner.
            self._book.wake.claims(name)
            return
        if pod_of(stored) is None:
            return  # somebody else's object under our name: never touched
        patch = merge_diff(to_json(stored.spec), to_json(wanted.spec))
        if not patch:
            self._written(stored, wanted)
            return
        try:
            patched = await self._kube.merge_patch(CLUSTER_SPIFFE_ID, stored.key, {"spec": patch})
        except NotFound as error:
            raise Retry("Gone", f"ClusterSpiffeId {name} was deleted meanwhile") from error
        self._written(patched, wanted)
        self._book.wake.claims(name)

    def _written(self, obj: ClusterSpiffeId, wanted: ClusterSpiffeId) -> None:
        """What was assumed is stored now; the store tells it from here on."""
        self._objects.assume(obj)
        pod = pod_of(obj)
        # Something newer may have been assumed while the request was under way.
        if pod is not None and self._book.assumed.get(obj.metadata.name) is wanted:
            self._book.no_longer_assumed(pod, obj.metadata.name)

    def _namespace_of(self, wanted: ClusterSpiffeId) -> Namespace:
        """The Pod's Namespace. Raises Retry while its watch lags behind that of the Pods."""
        pod = pod_of(wanted)
        name = "" if pod is None else pod.namespace
        namespace = self._namespaces.get(ObjectKey("", name))
        if namespace is None:
            raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
        return namespace

    async def _delete(self, name: str, stored: ClusterSpiffeId | None) -> None:
        key = self._book.unwanted[name]
        if key is not None and self._mirror.entry_of(key) is not None:
            others = (c for c in self._book.index.claims(key) if c.source != source_of(name))
            if next(others, None) is None:
                return  # the release pass wakes us when the entry is gone
        if stored is not None and pod_of(stored) is not None:
            with contextlib.suppress(NotFound):
                await self._kube.delete(CLUSTER_SPIFFE_ID, stored.key, uid=stored.metadata.uid)
            self._objects.assume_deleted(stored.key, stored.metadata.uid)
            # The Pod may have asked for it again while the request was under way.
            pod = pod_of(stored)
            if pod is not None and name not in self._book.unwanted:
                self._book.wake.claims(name)
                self._book.wake.pod(pod)
        # A new Pod of the same uid cannot come; but the name may be wanted again.
        if name not in self._book.assumed:
            self._book.unwanted.pop(name, None)
