"""What the sources of Pods and Nodes remember of those that were seen to go.

A deletion that the API server told of is evidence: no budget holds back what it leaves.
"""

from collections.abc import Callable
from typing import TypeVar

from api.meta import KubeObject
from controllers.shared import SharedState
from registrar.claims.podentry import node_source, pod_source
from registrar.kube.store import Change

T = TypeVar("T", bound=KubeObject)
Heard = Callable[[Change[T]], None]


def going_pods(shared: SharedState) -> Callable[[Change[T]], None]:
    """Remember the Pods that go."""

    def heard(change: Change[T]) -> None:
        if change.is_seen_to_go:
            shared.departed.saw(pod_source(change.key))

    return heard


def going_nodes(shared: SharedState) -> Callable[[Change[T]], None]:
    """Remember the Nodes that go."""

    def heard(change: Change[T]) -> None:
        if change.is_seen_to_go:
            shared.departed.saw(node_source(change.key.name))

    return heard
