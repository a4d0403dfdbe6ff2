"""What the sources of Pods and Nodes remember of those that were seen to go.

A deletion that the API server told of is evidence: no budget holds back what it leaves.
"""

from collections.abc import Callable
from typing import TypeVar

from api.meta import KubeObject, ObjectKey
from controllers.book import Book
from registrar.claims.claim import Source
from registrar.claims.podentry import node_source, pod_source
from registrar.kube.store import Change

T = TypeVar("T", bound=KubeObject)
Heard = Callable[[Change[T]], None]


def going_pods(
    book: Book, and_then: Callable[[Source, ObjectKey], None] = lambda _, __: None
) -> Callable[[Change[T]], None]:
    """Remember the Pods that go; ``and_then`` is told of each."""

    def heard(change: Change[T]) -> None:
        if change.is_seen_to_go:
            source = pod_source(change.key)
            book.departed.saw(source)
            and_then(source, change.key)

    return heard


def going_nodes(
    book: Book, and_then: Callable[[Source, ObjectKey], None] = lambda _, __: None
) -> Callable[[Change[T]], None]:
    """Remember the Nodes that go; ``and_then`` is told of each."""

    def heard(change: Change[T]) -> None:
        if change.is_seen_to_go:
            source = node_source(change.key.name)
            book.departed.saw(source)
            and_then(source, change.key)

    return heard
