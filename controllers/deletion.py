"""Deleting what a cache holds."""

import contextlib

from api.kinds import Kind
from controllers.ports import Kubernetes, T
from registrar.kube.errors import NotFound
from registrar.kube.store import Store


async def delete_stored(kube: Kubernetes, kind: Kind[T], objects: Store[T], stored: T) -> None:
    """Delete that very object, once; one with finalizers stays until somebody has taken them off.

    Raises Conflict where another has its name.
    """
    meta, is_gone = stored.metadata, True
    if meta.deletion_timestamp is not None:
        return
    with contextlib.suppress(NotFound):
        is_gone = await kube.delete(kind, stored.key, uid=meta.uid)
    if is_gone:
        objects.assume_deleted(stored.key, meta.uid)
