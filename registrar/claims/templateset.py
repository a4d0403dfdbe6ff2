"""The templates in force, and who matches whom."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from api.meta import ObjectKey
from registrar.claims.claim import Claimant
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import PodTemplate


class TemplateSet:
    """Compiled templates by name, and those that exist but never compiled in this term."""

    def __init__(self, pods: PodIndex) -> None:
        self._pods = pods
        self._templates: dict[str, PodTemplate] = {}
        self._oldest_first: tuple[PodTemplate, ...] = ()
        self._unreadable: set[Claimant] = set()

    def put(self, template: PodTemplate) -> None:
        """Take in a template, or its change."""
        pair = template.pods.index_pair
        if pair is not None:
            self._pods.use_label(pair[0])
        self._templates[template.source.name] = template
        self._unreadable.discard(template.source)
        self._sort()

    def put_unreadable(self, source: Claimant) -> None:
        """An object that is wrong; its last good version, if any, goes on."""
        if source.name not in self._templates:
            self._unreadable.add(source)

    def remove(self, source: Claimant) -> None:
        """Forget a template that is gone."""
        self._unreadable.discard(source)
        if self._templates.pop(source.name, None) is not None:
            self._sort()

    def get(self, name: str) -> PodTemplate | None:
        """The template of that name."""
        return self._templates.get(name)

    def __iter__(self) -> Iterator[PodTemplate]:
        """All templates, the oldest first."""
        return iter(self._oldest_first)

    @property
    def unreadable(self) -> frozenset[Claimant]:
        """Objects of which no good version is known: what they asked for is not known either."""
        return frozenset(self._unreadable)

    def selecting(
        self, labels: Mapping[str, str], namespace_labels: Mapping[str, str]
    ) -> list[PodTemplate]:
        """The templates that select a Pod, the oldest first."""
        return [t for t in self._oldest_first if t.selects(labels, namespace_labels)]

    def candidates(
        self,
        template: PodTemplate,
        *,
        namespaces: Iterable[str],
        labels_of: Callable[[ObjectKey], Mapping[str, str] | None],
    ) -> set[ObjectKey]:
        """The Pods that the template selects in those namespaces, which its selector matches."""
        pair = template.pods.index_pair
        allowed = frozenset(namespaces)
        if pair is None:
            found = self._pods.in_namespaces(allowed)
        else:
            found = (k for k in self._pods.with_label(*pair) if k.namespace in allowed)
        return {
            key
            for key in found
            if (labels := labels_of(key)) is not None and template.pods.matches(labels)
        }

    def _sort(self) -> None:
        self._oldest_first = tuple(sorted(self._templates.values(), key=lambda t: t.seniority))
