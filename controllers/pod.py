"""Pod controller: one ClusterSpiffeId for each Pod that asks for an identity."""

from collections.abc import Callable

from api.core import Pod
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.book import Book
from controllers.complaints import Complaints
from controllers.generation import Generation
from controllers.ports import Events
from registrar.claims.claim import Source
from registrar.claims.clusterspiffeid import source_of
from registrar.claims.podentry import pod_source
from registrar.claims.podrules import INVALID_IDENTITY
from registrar.claims.pods import cluster_spiffe_id_for, generated_name
from registrar.errors import InvalidField
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity


class PodReconciler:
    """Decides which ClusterSpiffeId a Pod has. No remote call."""

    def __init__(
        self,
        book: Book,
        generation: Generation[ClusterSpiffeId],
        *,
        settings: PodIdentity,
        pods: Store[Pod],
        events: Events,
        on_pod: Callable[[Source], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._generation = generation
        self._settings = settings
        self._pods = pods
        self._complaints = Complaints(events)
        self._on_pod = on_pod

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Assume what the Pod should have and drop what it should not."""
        pod, owner = self._pods.get(key), pod_source(key)
        if key in self._pods.broken:
            return Done()
        wanted: ClusterSpiffeId | None = None
        kept: ObjectKey | None = None
        if pod is not None:
            try:
                wanted = cluster_spiffe_id_for(
                    pod,
                    self._settings,
                    trust_domain=self._book.trust_domain,
                    class_name=self._book.class_name,
                )
            except InvalidField as error:
                name = generated_name(key.namespace, key.name, pod.metadata.uid)
                kept = ObjectKey("", name)
                # Its last good identity stays.
                self._complaints.say(pod, INVALID_IDENTITY, str(error))
            else:
                self._complaints.say(pod, INVALID_IDENTITY, "")
                kept = None if wanted is None else wanted.key
        else:
            self._complaints.forget(key, INVALID_IDENTITY)
        self._generation.drop_all_but(owner, kept)
        if wanted is not None and self._generation.want(owner, wanted):
            self._on_pod(source_of(wanted.metadata.name))
        return Done()
