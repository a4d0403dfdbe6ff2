"""Which Pods wait until their Namespace is known, which owns what is made for them."""

from collections.abc import Container

from api.core import Namespace, Pod
from api.meta import ObjectKey
from registrar.claims.claim import Claimant
from registrar.claims.podentry import pod_source
from registrar.kube.store import Change


class WaitingPods:
    """Those of ``pods`` that ``wait``; one that goes waits no more."""

    def __init__(self, pods: Container[ObjectKey]) -> None:
        self._pods = pods
        self._waiting: set[ObjectKey] = set()

    def wait(self, pod: ObjectKey) -> None:
        """The Namespace of a Pod is not known. One that has gone meanwhile waits for nothing."""
        if pod in self._pods:
            self._waiting.add(pod)

    def left(self, change: Change[Pod]) -> None:
        """Hear of a Pod that goes."""
        if change.new is None:
            self._waiting.discard(change.key)

    def called(self, change: Change[Namespace]) -> list[Claimant]:
        """Those that waited for this Namespace, and wait no more."""
        name = "" if change.new is None else change.key.name
        found = [pod for pod in self._waiting if pod.namespace == name]
        self._waiting.difference_update(found)
        return [pod_source(pod) for pod in found]

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)
