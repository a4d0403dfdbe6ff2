"""Which entries' selectors a Pod has, as a SPIRE agent's ``k8s`` workload attestor gives them.

An agent gives a workload an entry whose selectors it has all. Some selectors only the agent can
tell, such as those by process or by an image's signature: of these nothing is said here. The
names and values are those of SPIRE's documentation of that attestor.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api.attested import AttestedPod, ContainerStatus
from registrar.identity.selectors import Selector

_KNOWN = frozenset(
    {
        "ns",
        "sa",
        "node-name",
        "pod-uid",
        "pod-name",
        "pod-image-count",
        "pod-init-image-count",
        "pod-image",
        "pod-init-image",
        "pod-label",
        "pod-owner",
        "pod-owner-uid",
        "container-name",
        "container-image",
    }
)
_OF_CONTAINERS = frozenset(
    {
        "pod-image-count",
        "pod-init-image-count",
        "pod-image",
        "pod-init-image",
        "container-image",
        "container-name",
    }
)
"""Kinds that nobody can tell before the kubelet has begun with the containers."""
_WITH_KEY = frozenset({"pod-label", "pod-owner", "pod-owner-uid"})
"""Kinds of selectors whose value begins with a key of its own."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How the selectors of one entry fit a Pod.

    ``missing`` are those that no container of the Pod has all of, ``unknown`` those that only the
    agent can tell. ``matched`` are how many fit.
    """

    missing: tuple[Selector, ...] = ()
    unknown: tuple[Selector, ...] = ()
    matched: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether an agent gives the entry to the Pod, as far as can be known here."""
        return not self.missing


class PodSelectors:
    """The selectors of one Pod, to be compared with those of many entries."""

    def __init__(self, pod: AttestedPod) -> None:
        of_pod = frozenset(_of_pod(pod))
        # An agent attests init containers too, and ephemeral ones not: it finds these nowhere.
        statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
        self._is_begun = bool(statuses)
        self._containers = [of_pod.union(_of_container(status)) for status in statuses] or [of_pod]
        self._all = frozenset[str]().union(*self._containers)

    @property
    def known(self) -> list[Selector]:
        """Those of any of its containers, as far as can be known here."""
        return [Selector("k8s", value) for value in sorted(self._all)]

    def fit(self, selectors: Iterable[Selector]) -> Fit:
        """How an entry's selectors fit the container that they fit best."""
        wanted = tuple(selectors)
        judged = [self._fit(wanted, has) for has in self._containers]
        return min(judged, key=lambda fit: len(fit.missing))

    def instead_of(self, missing: Selector) -> str | None:
        """What the Pod has where an entry asks for something else; None for nothing of the kind."""
        kind, _, rest = missing.value.partition(":")
        start = f"{kind}:{rest.partition(':')[0]}:" if kind in _WITH_KEY else f"{kind}:"
        found = (value for value in self._all if value.startswith(start))
        values = sorted(value.removeprefix(start) for value in found)
        return ", ".join(values) if values else None

    def _fit(self, wanted: tuple[Selector, ...], has: frozenset[str]) -> Fit:
        missing, unknown = [], []
        for selector in wanted:
            if selector.type == "k8s" and selector.value in has:
                continue
            if selector.type == "k8s" and self._is_told(selector.value.partition(":")[0]):
                missing.append(selector)
            else:
                unknown.append(selector)
        matched = len(wanted) - len(missing) - len(unknown)
        return Fit(tuple(missing), tuple(unknown), matched)

    def _is_told(self, kind: str) -> bool:
        """Whether a Pod's documents tell all its selectors of that kind."""
        return kind in _KNOWN and (self._is_begun or kind not in _OF_CONTAINERS)


def _of_pod(pod: AttestedPod) -> Iterable[str]:
    meta, spec, status = pod.metadata, pod.spec, pod.status
    yield f"sa:{spec.service_account_name}"
    yield f"ns:{meta.namespace}"
    yield f"node-name:{spec.node_name}"
    yield f"pod-uid:{meta.uid}"
    yield f"pod-name:{meta.name}"
    yield f"pod-image-count:{len(status.container_statuses)}"
    yield f"pod-init-image-count:{len(status.init_container_statuses)}"
    for kind, statuses in (
        ("pod-image", status.container_statuses),
        ("pod-init-image", status.init_container_statuses),
    ):
        for container in statuses:
            yield f"{kind}:{container.image}"
            yield f"{kind}:{container.image_id}"
    for label, value in meta.labels.items():
        yield f"pod-label:{label}:{value}"
    for owner in meta.owner_references:
        yield f"pod-owner:{owner.kind}:{owner.name}"
        yield f"pod-owner-uid:{owner.kind}:{owner.uid}"


def _of_container(status: ContainerStatus) -> Iterable[str]:
    if status.name:
        yield f"container-name:{status.name}"
        yield f"container-image:{status.image}"
        yield f"container-image:{status.image_id}"
