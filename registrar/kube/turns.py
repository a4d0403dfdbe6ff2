"""Whose turn it is: keys in an order in which nobody waits behind a mass of others.

Each key belongs to a flow, such as a namespace. The flows take turns, a key at a time, so a key
waits for the keys of its own flow and for one of each other flow, however many these have: the
idea is that of the Kubernetes API server's priority and fairness. What is not urgent comes after
all that is, but for one key in some, so that it never stands still.
"""

from collections import deque
from collections.abc import Hashable
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

URGENT_IN_A_ROW = 8
"""After so many urgent keys it is the turn of one that is not."""


class Urgency(IntEnum):
    """How long a key may wait."""

    URGENT = 0
    """Somebody has nothing at all until it was worked on."""
    LATER = 1
    """Somebody has something, which may be wrong."""


class Turn(NamedTuple):
    """In which order a key comes."""

    urgency: Urgency
    flow: Hashable
    """Keys of one flow come in the order in which they were added."""


IN_ORDER = Turn(Urgency.URGENT, None)
"""The turn of keys that simply come one after the other."""


class _Flows(Generic[K]):
    """The keys of one urgency, by flow; the flow whose turn it is comes first."""

    def __init__(self) -> None:
        self._flows: dict[Hashable, deque[K]] = {}

    def __bool__(self) -> bool:
        return bool(self._flows)

    def push(self, flow: Hashable, key: K) -> None:
        keys = self._flows.get(flow)
        if keys is None:
            self._flows[flow] = deque([key])
        else:
            keys.append(key)

    def pop(self) -> K:
        flow = next(iter(self._flows))
        keys = self._flows.pop(flow)
        key = keys.popleft()
        if keys:
            # Behind all the others.
            self._flows[flow] = keys
        return key


class Turns(Generic[K]):
    """The keys that wait."""

    def __init__(self) -> None:
        self._urgent: _Flows[K] = _Flows()
        self._later: _Flows[K] = _Flows()
        self._number = 0
        self._in_a_row = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._number

    def push(self, key: K, turn: Turn = IN_ORDER) -> None:
        """Add a key that is not among them."""
        flows = self._urgent if turn.urgency is Urgency.URGENT else self._later
        flows.push(turn.flow, key)
        self._number += 1

    def pop(self) -> K:
        """Take the key whose turn it is; IndexError when none waits."""
        if not self._number:
            raise IndexError("no key waits")
        is_urgent = bool(self._urgent)
        if is_urgent and self._later and self._in_a_row >= URGENT_IN_A_ROW:
            is_urgent = False
        self._in_a_row = self._in_a_row + 1 if is_urgent else 0
        self._number -= 1
        return (self._urgent if is_urgent else self._later).pop()
