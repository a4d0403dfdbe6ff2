"""Objects that left the folder while another one came that is wrong: the same one, perhaps.

Static mode asks here before it lets go what stands in no file any more. Somebody may
have given an object another name and broken it in the same edit; then nobody has said
that the workload should lose its identity. Such an object stays until the new one is
right or gone. Pure: no file is read here.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from api.meta import ObjectKey


class Successors:
    """Remembers since when each object is there, and which wrong ones came as another left."""

    def __init__(self) -> None:
        self._looks = 0
        self._since: dict[ObjectKey, int] = {}
        self._seen: dict[ObjectKey, int] = {}
        self._heirs: dict[ObjectKey, frozenset[ObjectKey]] = {}

    def look(
        self, present: Collection[ObjectKey], wrong: AbstractSet[ObjectKey], *, is_whole: bool
    ) -> frozenset[ObjectKey]:
        """Take in one look at the folder; gives those that left and must stay.

        ``present`` are the objects that stand in some file, ``wrong`` those of them that
        ask for nothing that SPIRE can have. Where the folder is not whole, what is not
        present has not left.
        """
        self._looks += 1
        for key in present:
            self._since.setdefault(key, self._looks)
            self._seen[key] = self._looks
            self._heirs.pop(key, None)
        if is_whole:
            for key in [key for key, look in self._seen.items() if look < self._looks]:
                left = self._seen.pop(key)
                del self._since[key]
                self._heirs[key] = frozenset(w for w in wrong if self._since[w] > left)
        held = {key: still for key, heirs in self._heirs.items() if (still := heirs & wrong)}
        if is_whole:
            self._heirs = held
        return frozenset(held)
