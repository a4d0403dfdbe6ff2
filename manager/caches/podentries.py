"""The caches that the modes of the workload registrar share."""

from api.core import Namespace, Pod
from api.kinds import NAMESPACE, POD
from api.meta import ObjectKey
from manager.caches.cache import Cache, Unreadable
from registrar.kube.store import Store

NAMESPACE_INDEX = "namespace"


def pod_cache(*, optional: bool = False) -> Cache[Pod]:
    """The cache of Pods, by namespace."""
    indexes = {NAMESPACE_INDEX: lambda pod: (pod.metadata.namespace,)}
    store: Store[Pod] = Store(indexes, packed=POD.type)
    return Cache(POD, store, unreadable=Unreadable.EMPTY if optional else Unreadable.STOPS)


def namespace_cache() -> Cache[Namespace]:
    """The cache of Namespaces, which the original's roles do not allow to read.

    Records then have no owner; what they stand for is released all the same.
    """
    return Cache(NAMESPACE, Store(), unreadable=Unreadable.EMPTY)


def namespace_uid(namespaces: Cache[Namespace], name: str) -> str:
    """The uid of a Namespace; empty while it is not known, or may not be read."""
    namespace = namespaces.store.get(ObjectKey("", name))
    return "" if namespace is None else namespace.metadata.uid


class StoredPods:
    """The Pods of a cache."""

    def __init__(self, cache: Cache[Pod]) -> None:
        self._store = cache.store

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod, or None."""
        return self._store.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it exists and does not decode."""
        return key in self._store.broken

    def saw_entry(self, key: ObjectKey, created: int) -> bool:  # noqa: ARG002 - the protocol's
        """Whether it exists and does not decode."""
        return key in self._store.broken

    def is_said_to_go(self, key: ObjectKey) -> bool:  # noqa: ARG002 - the protocol's
        """Nobody is asked: the cache tells."""
        return False

    def leaves(self, key: ObjectKey, created: int) -> None:
        """The cache tells what is gone."""

    def drop(self, key: ObjectKey) -> bool:  # noqa: ARG002 - the protocol's
        """Never: the cache knows."""
        return False
