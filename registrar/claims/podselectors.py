"""Which entries' selectors a Pod has, as a SPIRE agent's ``k8s`` workload attestor gives them.

An agent gives a workload an entry whose selectors it has all. Some selectors only the agent can
tell, such as those by process or by an image's signature: of these nothing is said here. The
names and values are those of SPIRE's documentation of that attestor.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api.attested import AttestedPod, ContainerStatus
from registrar.identity.selectors import Selector

_KNOWN = (
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
)
_OF_CONTAINERS = frozenset(
    {"pod-image-count", "pod-init-image-count", "pod-image", "pod-init-image", "container-image"}
)
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


def fit_of(selectors: Iterable[Selector], pod: AttestedPod) -> Fit:
    """How an entry's selectors fit the container that they fit best."""
    wanted = tuple(selectors)
    of_pod = frozenset(_of_pod(pod))
    is_begun = bool(pod.status.container_statuses)
    judged = [
        _fit(wanted, of_pod | frozenset(_of_container(status)), is_begun=is_begun)
        for status in pod.status.container_statuses or (ContainerStatus(),)
    ]
    return min(judged, key=lambda fit: len(fit.missing))


def instead_of(missing: Selector, pod: AttestedPod) -> str | None:
    """What the Pod has where an entry asks for something else; None for nothing of the kind."""
    kind, _, rest = missing.value.partition(":")
    start = f"{kind}:{rest.partition(':')[0]}:" if kind in _WITH_KEY else f"{kind}:"
    has = set(_of_pod(pod))
    for status in pod.status.container_statuses:
        has |= set(_of_container(status))
    values = sorted(value.removeprefix(start) for value in has if value.startswith(start))
    return ", ".join(values) if values else None


def selectors_of(pod: AttestedPod) -> list[Selector]:
    """All selectors that the Pod has, or one of its containers, to ask a server by."""
    values = set(_of_pod(pod))
    for status in pod.status.container_statuses:
        values |= set(_of_container(status))
    return [Selector("k8s", value) for value in sorted(values)]


def _fit(wanted: tuple[Selector, ...], has: frozenset[str], *, is_begun: bool) -> Fit:
    missing, unknown = [], []
    for selector in wanted:
        kind = selector.value.partition(":")[0]
        is_told = kind in _KNOWN and (is_begun or kind not in {*_OF_CONTAINERS, "container-name"})
        if selector.type != "k8s" or not is_told:
            unknown.append(selector)
        elif selector.value not in has:
            missing.append(selector)
    matched = len(wanted) - len(missing) - len(unknown)
    return Fit(tuple(missing), tuple(unknown), matched)


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
