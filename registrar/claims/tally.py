"""What became of each Pod under each template, counted: the ``stats`` of a ClusterSPIFFEID.

Every Pod's part is replaced when the Pod is rendered, so the sums are right at
every moment without a walk over the cluster.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

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


class Notes:
    """Words by Pod, and by template: what is said of one Pod under one template."""

    def __init__(self) -> None:
        self._by_template: dict[str, dict[ObjectKey, str]] = {}

    def of(self, template: str) -> Mapping[ObjectKey, str]:
        """What is said of the template, by Pod."""
        return self._by_template.get(template, {})

    def replace(self, pod: ObjectKey, before: Iterable[str], words: Mapping[str, str]) -> set[str]:
        """Replace what is said of a Pod; gives the templates whose words changed.

        ``before`` are the templates of which the Pod had a part.
        """
        changed = set()
        for name in before:
            known = self._by_template.get(name)
            if name not in words and known is not None and known.pop(pod, None) is not None:
                changed.add(name)
                if not known:
                    del self._by_template[name]
        for name, message in words.items():
            known = self._by_template.setdefault(name, {})
            if known.get(pod) != message:
                known[pod] = message
                changed.add(name)
        return changed


_NOTHING: Mapping[str, str] = MappingProxyType({})


class Tally:
    """Parts by Pod, their sums and what is said by template; templates go by name."""

    def __init__(self) -> None:
        self._parts: dict[ObjectKey, Parts] = {}
        self._sums: Counter[tuple[str, Part]] = Counter()
        self._failures = Notes()
        self._masked = Notes()
        self._left_out = Notes()
        self._shared: dict[Parts, Parts] = {}
        self._pods: dict[str, set[ObjectKey]] = {}

    def note(
        self,
        pod: ObjectKey,
        parts: Mapping[str, Part],
        failures: Mapping[str, str],
        *,
        masked: Mapping[str, str] = _NOTHING,
        left_out: Mapping[str, str] = _NOTHING,
    ) -> set[str]:
        """Replace the Pod's parts; gives the templates whose numbers or words changed.

        By template, ``failures`` has what is wrong for each part that failed, ``masked`` who
        asks for the same entry and is older, ``left_out`` the DNS names that the entry is
        without.
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
        changed |= self._failures.replace(pod, before, failures)
        changed |= self._masked.replace(pod, before, masked)
        return changed | self._left_out.replace(pod, before, left_out)

    def count(self, template: str, part: Part) -> int:
        """How many Pods have that part."""
        return self._sums[template, part]

    def pods(self, template: str) -> frozenset[ObjectKey]:
        """The Pods that the template selected when they were last looked at."""
        return frozenset(self._pods.get(template, ()))

    def failures(self, template: str) -> Mapping[ObjectKey, str]:
        """What is wrong, by Pod."""
        return self._failures.of(template)

    def masked(self, template: str) -> Mapping[ObjectKey, str]:
        """Who asks for the same entry and is older, by Pod."""
        return self._masked.of(template)

    def left_out(self, template: str) -> Mapping[ObjectKey, str]:
        """The DNS names that entries are without, by Pod."""
        return self._left_out.of(template)

    def _take(self, name: str, part: Part) -> None:
        self._sums[name, part] -= 1
        if not self._sums[name, part]:
            del self._sums[name, part]

    def _discard(self, name: str, pod: ObjectKey) -> None:
        pods = self._pods[name]
        pods.discard(pod)
        if not pods:
            del self._pods[name]
