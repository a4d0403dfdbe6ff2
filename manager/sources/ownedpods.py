"""Which Pods name an object as their owner, asked of many owners at once."""

import asyncio
from collections.abc import Callable, Iterable

from api.meta import ObjectKey, OwnerReference
from controllers.triggers import PodsNamed


class OwnedPods:
    """The Pods by the objects that own them, each Namespace looked through once for a burst.

    A list tells of hundreds of owners at once: to look for the Pods of each among thousands of
    others would keep everybody else waiting for seconds.
    """

    def __init__(
        self, pods: PodsNamed, owners_of: Callable[[ObjectKey], Iterable[OwnerReference]]
    ) -> None:
        self._pods = pods
        self._owners_of = owners_of
        self._found: dict[str, dict[str, list[ObjectKey]]] = {}

    def __call__(self, owner: ObjectKey) -> Iterable[ObjectKey]:
        """The Pods in the owner's Namespace that name it."""
        if not self._found:
            # Nothing can change before others have their turn.
            asyncio.get_running_loop().call_soon(self._found.clear)
        names = self._found.get(owner.namespace)
        if names is None:
            names = self._found[owner.namespace] = {}
            for pod in self._pods(owner.namespace):
                for name in {found.name for found in self._owners_of(pod)}:
                    names.setdefault(name, []).append(pod)
        return names.get(owner.name, ())
