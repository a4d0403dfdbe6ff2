"""Equal texts of thousands of cached objects become one text: memory follows what differs.

Decoders make a new string for every value they read, also for the tenth
thousandth ``True``. Only fields whose values repeat are looked at.
"""

from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

REPEATING = frozenset(
    {
        "api_version",
        "kind",
        "namespace",
        "creation_timestamp",
        "type",
        "status",
        "reason",
        "message",
        "last_transition_time",
        "parent_id",
        "phase",
        "node_name",
        "service_account_name",
    }
)
"""Fields, by name, in which few values stand in many objects."""

MOST_TEXTS = 10_000
"""Texts remembered at once; then the memory starts anew, so it cannot grow for ever."""

WHOLE = frozenset({"annotations", "conditions", "labels", "owner_references"})
"""Fields, by name, that are often the same as a whole: siblings have their owner in common."""

MOST_WHOLE = 500
"""Of those few are remembered at once: what is unlike all others costs memory without gain."""


class Sharing:
    """Replaces repeated texts in structs by the one seen first."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._whole: dict[object, object] = {}

    def share(self, struct: T) -> T:
        """The same struct, in which repeated values are shared with earlier ones.

        It is changed in place though it is frozen: equal values are put for
        equal values, and nobody changes one, so nobody can see it.
        """
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, str):
                if name in REPEATING and value:
                    msgspec.structs.force_setattr(struct, name, self._one(value))
            elif isinstance(value, msgspec.Struct):
                self.share(value)
            elif isinstance(value, tuple):
                for item in value:
                    if isinstance(item, msgspec.Struct):
                        self.share(item)
                if name in WHOLE:
                    msgspec.structs.force_setattr(struct, name, self._same(value, value))
            elif isinstance(value, dict) and name in WHOLE:
                same = self._same((dict, *value.items()), value)
                msgspec.structs.force_setattr(struct, name, same)
        return struct

    def _same(self, key: object, value: object) -> object:
        if len(self._whole) >= MOST_WHOLE and key not in self._whole:
            self._whole.clear()
        return self._whole.setdefault(key, value)

    def _one(self, text: str) -> str:
        known = self._texts.get(text)
        if known is not None:
            return known
        if len(self._texts) >= MOST_TEXTS:
            self._texts.clear()
        self._texts[text] = text
        return text
