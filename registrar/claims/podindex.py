"""Finds the Pods that a label selector or a namespace may mean, without a walk over all.

Only labels that some template asks for are indexed: a cluster's Pods carry
many labels that nobody asks about.
"""

from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping

from api.meta import ObjectKey


class PodIndex:
    """Pods by namespace, by node, and by the labels in use."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, set[ObjectKey]] = {}
        self._by_node: dict[str, set[ObjectKey]] = {}
        self._node_of: dict[ObjectKey, str] = {}
        self._by_label: dict[str, dict[str, set[ObjectKey]]] = {}
        self._labels_of: dict[ObjectKey, Mapping[str, str]] = {}

    def put(self, key: ObjectKey, labels: Mapping[str, str], node: str) -> None:
        """Take in a Pod, or its change."""
        before = self._labels_of.get(key)
        if before is None:
            self._by_namespace.setdefault(key.namespace, set()).add(key)
        if self._node_of.get(key, "") != node:
            self._leave_node(key)
            if node:
                self._node_of[key] = node
                self._by_node.setdefault(node, set()).add(key)
        for label, values in self._by_label.items():
            old, new = (before or {}).get(label), labels.get(label)
            if old != new:
                _move(values, key, old, new)
        self._labels_of[key] = labels

    def remove(self, key: ObjectKey) -> None:
        """Forget a Pod that is gone."""
        before = self._labels_of.pop(key, None)
        if before is None:
            return
        _move(self._by_namespace, key, key.namespace, None)
        self._leave_node(key)
        for label, values in self._by_label.items():
            _move(values, key, before.get(label), None)

    def use_label(self, label: str) -> None:
        """Index a label from now on; the one time that all Pods are looked at."""
        if label in self._by_label:
            return
        values: dict[str, set[ObjectKey]] = {}
        for key, labels in self._labels_of.items():
            _move(values, key, None, labels.get(label))
        self._by_label[label] = values

    def all(self) -> KeysView[ObjectKey]:
        """A live view of all Pods; copy it before waiting."""
        return self._labels_of.keys()

    def in_namespaces(self, namespaces: Iterable[str]) -> Iterator[ObjectKey]:
        """The Pods of those namespaces."""
        for namespace in namespaces:
            yield from self._by_namespace.get(namespace, ())

    def on_node(self, node: str) -> frozenset[ObjectKey]:
        """The Pods bound to a node."""
        return frozenset(self._by_node.get(node, ()))

    def with_label(self, label: str, values: Collection[str]) -> Iterator[ObjectKey]:
        """The Pods whose label has one of the values; the label must be in use."""
        indexed = self._by_label[label]
        for value in values:
            yield from indexed.get(value, ())

    def _leave_node(self, key: ObjectKey) -> None:
        _move(self._by_node, key, self._node_of.pop(key, None), None)


def _move(
    table: dict[str, set[ObjectKey]], key: ObjectKey, old: str | None, new: str | None
) -> None:
    """Take a key out of one set and put it into another; an empty set goes."""
    if old is not None and old in table:
        table[old].discard(key)
        if not table[old]:
            del table[old]
    if new is not None:
        table.setdefault(new, set()).add(key)
