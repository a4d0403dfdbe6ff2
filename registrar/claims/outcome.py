"""What became of each claimed key on the SPIRE server: the state between the two writers.

The SPIRE side writes outcomes, the recording side and the statuses read them.
"""

from dataclasses import dataclass
from enum import Enum

from registrar.identity.entry import EntryKey


class State(Enum):
    """How far an entry is."""

    PENDING = "Pending"
    """SPIRE was asked a moment ago, or will be: not worth a word yet."""
    LATE = "Late"
    """SPIRE keeps us waiting."""
    SET = "Set"
    FAILED = "Failed"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last word on one key. ``entry_id`` stays known while a later step fails.

    ``pending``: trust domains that a set entry is still without.
    """

    state: State
    entry_id: str = ""
    reason: str = ""
    message: str = ""
    pending: tuple[str, ...] = ()

    @property
    def is_set(self) -> bool:
        """Whether the SPIRE server holds the entry as it was asked for."""
        return self.state is State.SET


PENDING = Outcome(State.PENDING)
LATE = Outcome(State.LATE, reason="Pending", message="waiting for the SPIRE server")


class Outcomes:
    """Outcome by key; a key that was never tried is pending."""

    def __init__(self) -> None:
        self._by_key: dict[EntryKey, Outcome] = {}
        self._counts = dict.fromkeys(State, 0)

    def get(self, key: EntryKey) -> Outcome:
        """The outcome of a key."""
        return self._by_key.get(key, PENDING)

    def set(self, key: EntryKey, outcome: Outcome) -> bool:
        """Record an outcome; tells whether it differs from the one before."""
        old = self._by_key.get(key)
        if old == outcome:
            return False
        if old is not None:
            self._counts[old.state] -= 1
        self._counts[outcome.state] += 1
        self._by_key[key] = outcome
        return True

    def forget(self, key: EntryKey) -> None:
        """Drop a key that is released."""
        old = self._by_key.pop(key, None)
        if old is not None:
            self._counts[old.state] -= 1

    def is_known(self, key: EntryKey) -> bool:
        """Whether the SPIRE server has answered to what is asked for now."""
        return self.get(key).state is not State.PENDING

    def is_set(self, key: EntryKey) -> bool:
        """Whether the SPIRE server holds the entry as it was asked for."""
        return self.get(key).is_set

    def waiting_for_others(self) -> list[EntryKey]:
        """Keys that only somebody else's change on the SPIRE server can set."""
        return [
            key
            for key, outcome in self._by_key.items()
            if outcome.state is State.REFUSED or outcome.reason == "EntryExists"
        ]

    def count(self, state: State) -> int:
        """How many keys are in a state."""
        return self._counts[state]

    def __len__(self) -> int:
        """How many keys have an outcome."""
        return len(self._by_key)
