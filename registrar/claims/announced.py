"""Pods that an API server asked about before it stored them.

An announcement is a promise that may be broken: the request may be refused
after us, and nobody says so. Where Pods can be read, one that is not seen in
time is given up; where they cannot, announcements are all there is.
"""

from collections.abc import Callable, Iterator

from api.core import Pod
from api.meta import ObjectKey

GRACE_SECONDS = 60.0
"""How long a Pod may take from the question to the watch that shows it."""

_MOST_WITHDRAWN = 10_000


class AnnouncedPods:
    """What was announced and not withdrawn. ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float], *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._clock = clock
        self._grace = grace_seconds
        self._pods: dict[ObjectKey, tuple[Pod, float]] = {}
        self._withdrawn: dict[ObjectKey, int | None] = {}

    def announce(self, pod: Pod) -> bool:
        """A Pod is about to be created; tells whether that is believed.

        While another of its name is announced it is not: the name is taken, so one of the
        two will be refused, and what runs must not lose its identity to what is asked for.
        """
        known = self.get(pod.key)
        if known is not None and known.metadata.uid != pod.metadata.uid:
            return False
        self._withdrawn.pop(pod.key, None)
        self._pods[pod.key] = (pod, self._clock())
        return True

    def amend(self, pod: Pod) -> None:
        """A Pod that exists is about to be changed; one that goes is not."""
        if pod.metadata.deletion_timestamp is None and pod.key not in self._withdrawn:
            self._pods[pod.key] = (pod, self._clock())

    def withdraw(self, key: ObjectKey) -> None:
        """A Pod is about to be deleted."""
        self._pods.pop(key, None)
        self._withdrawn[key] = None
        if len(self._withdrawn) > _MOST_WITHDRAWN:
            del self._withdrawn[next(iter(self._withdrawn))]

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod as it was announced."""
        found = self._pods.get(key)
        return None if found is None else found[0]

    def is_withdrawn(self, key: ObjectKey) -> bool:
        """Whether its deletion was announced since, and no new Pod of that name."""
        return key in self._withdrawn

    def saw_entry(self, key: ObjectKey, created: int) -> bool:
        """An entry was seen that was made at that time (Unix seconds).

        Gives whether it is what is left of a withdrawn Pod. The first that is seen after the
        deletion is. One made later is not: another replica has heard of a new Pod of that name.
        """
        self.leaves(key, created)
        if self._withdrawn.get(key) == created:
            return True
        self._withdrawn.pop(key, None)
        return False

    def leaves(self, key: ObjectKey, created: int) -> None:
        """A withdrawn Pod leaves the entry that was made then, unless another is known to be it."""
        if self._withdrawn.get(key, created) is None:
            self._withdrawn[key] = created

    def drop(self, key: ObjectKey) -> None:
        """Nothing is known of the Pod any more."""
        self._pods.pop(key, None)

    def seen(self, pod: Pod) -> None:
        """The Pod is there: what was announced is forgotten."""
        announced = self.get(pod.key)
        if announced is not None and announced.metadata.uid in {"", pod.metadata.uid}:
            del self._pods[pod.key]

    def give_up(self) -> list[ObjectKey]:
        """Forget what was announced too long ago; gives the keys."""
        limit = self._clock() - self._grace
        late = [key for key, (_, since) in self._pods.items() if since <= limit]
        for key in late:
            del self._pods[key]
        return late

    def __iter__(self) -> Iterator[ObjectKey]:
        """The Pods that are announced; copy it before waiting."""
        return iter(self._pods)
