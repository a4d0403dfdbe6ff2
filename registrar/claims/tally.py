"""What became of each Pod under each template, counted: the ``stats`` of a ClusterSPIFFEID.

Every Pod's part is replaced when the Pod is rendered, so the sums are right at
every moment without a walk over the cluster.
"""

from collections import Counter
from collections.abc import Mapping
from enum import Enum

from api.meta import ObjectKey


class Part(Enum):
    """What one template came to for one Pod."""

    SELECTED = "selected"
    """The Pod is selected and needs no entry of this template now: it is not bound to a node
    yet, or the template is a fallback and another one applies."""
    FAILED = "failed"
    """A template of it did not render."""
    MASKED = "masked"
    """An older object asks for the same entry."""
    TO_SET = "to-set"
    """It asks for an entry of its own."""


Parts = tuple[tuple[str, Part], ...]


class Tally:
    """Parts by Pod, their sums and failures by template; templates go by name."""

    def __init__(self) -> None:
        self._parts: dict[ObjectKey, Parts] = {}
        self._sums: Counter[tuple[str, Part]] = Counter()
        self._failures: dict[str, dict[ObjectKey, str]] = {}
        self._shared: dict[Parts, Parts] = {}
        self._pods: dict[str, set[ObjectKey]] = {}

    def note(
        self, pod: ObjectKey, parts: Mapping[str, Part], failures: Mapping[str, str]
    ) -> set[str]:
        """Replace the Pod's parts; gives the templates whose numbers changed.

        ``failures`` has what is wrong, by template, for each part that failed.
        """
        before = dict(self._parts.get(pod, ()))
        changed = {name for name in before | dict(parts) if before.get(name) != parts.get(name)}
        for name in changed:
            if name in before:
                self._take(name, before[name])
                if name not in parts:
                    self._discard(name, pod)
            if name in parts:
                self._sums[name, parts[name]] += 1
                self._pods.setdefault(name, set()).add(pod)
        if parts:
            # Few combinations stand for many Pods: one tuple serves them all.
            new = tuple(sorted(parts.items(), key=lambda item: item[0]))
            self._parts[pod] = self._shared.setdefault(new, new)
        else:
            self._parts.pop(pod, None)
        return changed | self._note_failures(pod, before, failures)

    def forget(self, template: str) -> None:
        """Drop what is left of a template that is gone; its Pods were rendered without it."""
        self._failures.pop(template, None)

    def count(self, template: str, part: Part) -> int:
        """How many Pods have that part."""
        return self._sums[template, part]

    def pods(self, template: str) -> frozenset[ObjectKey]:
        """The Pods that the template selected when they were last looked at."""
        return frozenset(self._pods.get(template, ()))

    def failures(self, template: str) -> Mapping[ObjectKey, str]:
        """What is wrong, by Pod."""
        return self._failures.get(template, {})

    def _take(self, name: str, part: Part) -> None:
        self._sums[name, part] -= 1
        if not self._sums[name, part]:
            del self._sums[name, part]

    def _discard(self, name: str, pod: ObjectKey) -> None:
        pods = self._pods[name]
        pods.discard(pod)
        if not pods:
            del self._pods[name]

    def _note_failures(
        self, pod: ObjectKey, before: Mapping[str, Part], failures: Mapping[str, str]
    ) -> set[str]:
        """Bring the failures in line; gives the templates whose words changed."""
        changed = set()
        for name in before:
            known = self._failures.get(name)
            if name not in failures and known is not None and known.pop(pod, None) is not None:
                changed.add(name)
                if not known:
                    del self._failures[name]
        for name, message in failures.items():
            known = self._failures.setdefault(name, {})
            if known.get(pod) != message:
                known[pod] = message
                changed.add(name)
        return changed
