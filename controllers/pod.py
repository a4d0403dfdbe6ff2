"""Pod controller: one ClusterSpiffeId for each Pod that asks for an identity.

What a Pod should have is assumed at once, so that the SPIRE write does not wait
for the API write; ``GeneratedReconciler`` writes it down.
"""

from collections.abc import Callable, Iterable

from api.core import Pod
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.book import Book
from controllers.complaints import Complaints
from controllers.ports import Events
from registrar.claims.claim import Source
from registrar.claims.clusterspiffeid import source_of
from registrar.claims.pods import cluster_spiffe_id_for, generated_name, pod_of
from registrar.errors import InvalidField
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity

_INVALID = "InvalidIdentity"

POD_INDEX = "pod"
"""Index of the ClusterSpiffeId store: ``namespace/name`` of the Pod it was made for."""


def pods_of(obj: ClusterSpiffeId) -> Iterable[str]:
    """The values of POD_INDEX."""
    pod = pod_of(obj)
    return () if pod is None else (str(pod),)


class PodReconciler:
    """Decides which ClusterSpiffeId a Pod has. No remote call."""

    def __init__(
        self,
        book: Book,
        *,
        settings: PodIdentity,
        pods: Store[Pod],
        objects: Store[ClusterSpiffeId],
        events: Events,
        on_pod: Callable[[Source], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._settings = settings
        self._pods = pods
        self._objects = objects
        self._complaints = Complaints(events)
        self._on_pod = on_pod

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Assume what the Pod should have and drop what it should not."""
        pod = self._pods.get(key)
        if key in self._pods.broken:
            return Done()
        wanted: ClusterSpiffeId | None = None
        kept = ""
        if pod is not None:
            try:
                wanted = cluster_spiffe_id_for(
                    pod,
                    self._settings,
                    trust_domain=self._book.trust_domain,
                    class_name=self._book.instance,
                )
            except InvalidField as error:
                kept = generated_name(key.namespace, key.name, pod.metadata.uid)
                # Its last good identity stays.
                self._complaints.say(pod, _INVALID, str(error))
            else:
                self._complaints.say(pod, _INVALID, "")
        else:
            self._complaints.forget(key, _INVALID)
        for name in self._existing(key):
            if name != kept and (wanted is None or name != wanted.metadata.name):
                self._drop(key, name)
        if wanted is not None:
            self._assume(key, wanted)
        return Done()

    def _existing(self, key: ObjectKey) -> set[str]:
        """What the Pod, or an earlier one of its name, has: stored or assumed."""
        names = {found.name for found in self._objects.by_index(POD_INDEX, str(key))}
        assumed = self._book.assumed_for.get(key)
        return names | {assumed} if assumed else names

    def _assume(self, key: ObjectKey, wanted: ClusterSpiffeId) -> None:
        book, name = self._book, wanted.metadata.name
        was_unwanted = name in book.unwanted
        book.unwanted.pop(name, None)
        stored = self._objects.get(ObjectKey("", name))
        if stored is not None and stored.spec == wanted.spec:
            was_assumed = name in book.assumed
            book.no_longer_assumed(key, name)
            if was_unwanted or was_assumed:
                book.wake.claims(name)
            return
        if book.assumed.get(name) == wanted and not was_unwanted:
            return
        if stored is None and name not in book.assumed:
            self._on_pod(source_of(name))
        book.assume(key, wanted)
        book.wake.claims(name)
        book.wake.generated(name)

    def _drop(self, key: ObjectKey, name: str) -> None:
        """Stop claiming; the object goes once its entry is released."""
        book = self._book
        if name in book.unwanted:
            book.wake.generated(name)
            return
        claims = book.index.of_source(source_of(name))
        released = claims[0].key if claims else None
        book.unwanted[name] = released
        if released is not None:
            book.waiting[released] = name
        book.no_longer_assumed(key, name)
        book.wake.claims(name)
        book.wake.generated(name)
