"""What the reconcilers of the controller manager's mode know together, besides the shared state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from api.core import Namespace
from api.meta import ObjectKey
from api.whole import WholeNode, WholePod
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import Surroundings
from registrar.claims.rendering import Owner
from registrar.claims.tally import Tally
from registrar.claims.templateset import TemplateSet
from registrar.claims.unmet import Unmet
from registrar.kube.store import Store


class Pods(Protocol):
    """The Pods of the cluster, or of the namespaces that are read."""

    def get(self, key: ObjectKey) -> WholePod | None:
        """The Pod, or None."""
        ...

    def broken_uid(self, key: ObjectKey) -> str:
        """The uid of a Pod that exists and does not decode; empty for any other."""
        ...


class Services(Protocol):
    """Which services name a Pod."""

    def need(self) -> bool:
        """Some template asks: begin to read them; tells whether they are read, or cannot be."""
        ...

    def problem(self) -> str:
        """Why they cannot be read, and the remedy; empty when they can."""
        ...

    def naming(self, pod: ObjectKey) -> tuple[str, ...]:
        """The services that name the Pod, sorted."""
        ...


class Owners(Protocol):
    """Who is at the end of a Pod's chain of controllers."""

    def need(self) -> bool:
        """Some template asks: begin to read them; tells whether they are read, or cannot be."""
        ...

    def problem(self) -> str:
        """Why they cannot be read, and the remedy; empty when they can."""
        ...

    def of(self, pod: WholePod) -> Owner | None:
        """The owner, or None while a link of the chain is not known yet."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a Pod is rendered from. ``unpacked`` gives the JSON of a packed specification."""

    pods: Pods
    nodes: Store[WholeNode]
    namespaces: Store[Namespace]
    services: Services
    owners: Owners
    unpacked: Callable[[bytes], bytes]
    ignored: Callable[[str], Unmet | None]
    """Why the Pods of a Namespace get nothing; None where they may."""

    def is_ignored(self, namespace: str) -> bool:
        """Whether the Pods of a Namespace get nothing."""
        return self.ignored(namespace) is not None

    def labels_of(self, pod: ObjectKey) -> Mapping[str, str] | None:
        """The Pod's labels, or None when there is no such Pod."""
        found = self.pods.get(pod)
        return None if found is None else found.metadata.labels


@dataclass(slots=True)
class Templates:
    """The templates of a term and what came of them.

    ``are_judged``: the look at all Pods has begun, so that one that a template came after may
    have to be looked at again. ``are_counted``: every Pod was looked at, so that the numbers mean
    something.
    """

    surroundings: Surroundings
    index: PodIndex
    tally: Tally = field(default_factory=Tally)
    set: TemplateSet = field(init=False)
    are_judged: bool = False
    are_counted: bool = False

    def __post_init__(self) -> None:
        self.set = TemplateSet(self.index)
