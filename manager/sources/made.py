"""What the layered and crd mode share: objects that are made for Pods and Nodes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from api.meta import KubeObject, ObjectKey
from controllers.made import Asked, MadeReconciler, asked
from controllers.pods import PodReconciler
from controllers.rights import MADE, on
from controllers.source import Source, Watch, note
from manager.caches.cache import Cache
from manager.context import Context
from manager.sources.core import RECORDERS
from registrar.claims.claim import Claimant
from registrar.claims.madepods import MadeView, MadeWanted
from registrar.kube.store import Change

P = TypeVar("P", bound=KubeObject)
T = TypeVar("T", bound=KubeObject)


def asking(
    claiming: PodReconciler[P, MadeView[P], MadeWanted[T]],
) -> Callable[[Claimant], Awaitable[Asked[T] | None]]:
    """What a Pod or Node should have by the rules; None while nothing can be said of it."""

    async def ask(owner: Claimant) -> Asked[T] | None:
        key = ObjectKey(owner.namespace, owner.name)
        found = await claiming.wanted(key)
        if found is None:
            return None if claiming.is_unknown(key) else Asked()
        pod, wanted = found
        return asked(pod.metadata.uid, wanted)

    return ask


def made_source(
    context: Context,
    name: str,
    writing: MadeReconciler[T],
    objects: Cache[T],
    *,
    watches: Sequence[Watch[Claimant]] = (),
) -> Source[Claimant]:
    """Writes, corrects and deletes the objects, by the Pod or Node that each is made for."""
    wake = context.shared.wake

    def deleted(change: Change[T]) -> None:
        if change.old is not None and change.new is None:
            writing.deleted(change.old)

    return Source(
        name=name,
        reconcile=writing.reconcile,
        concurrency=RECORDERS,
        yields_to=context.shared.backlog,
        serves=wake.made,
        notes=[note(objects, deleted), lambda: wake.released.serve(writing.released)],
        watches=watches,
        needs=on(
            objects.kind, MADE, without="what Pods claim is not recorded in objects of this kind"
        ),
    )
