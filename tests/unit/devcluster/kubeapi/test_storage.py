"""The store against a plain model that keeps every version."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from devcluster.kubeapi.documents import JSONObject
from devcluster.kubeapi.storage import Change, Compacted, Store

TABLE = ("example.com", "things")
NAMES = st.sampled_from(["a", "b", "c"])


class StoreMachine(RuleBasedStateMachine):
    """Puts, removals and compactions; every past state can be read until it is compacted."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.table = self.store.table(TABLE)
        self.history: dict[int, dict[str, int]] = {self.store.revision: {}}
        self.compacted = 0
        self.seen: list[Change] = []
        self.store.observe(lambda _, change: self.seen.append(change))

    @rule(name=NAMES, value=st.integers())
    def put(self, name: str, value: int) -> None:
        state = dict(self.history[self.store.revision])
        stored = self.store.put(TABLE, ("", name), {"value": value, "metadata": {"name": name}})
        state[name] = value
        self.history[self.store.revision] = state
        assert stored.revision == self.store.revision

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        stored = self.store.get(TABLE, ("", name))
        if stored is None:
            return
        state = dict(self.history[self.store.revision])
        last: JSONObject = {**stored.document, "metadata": {"name": name}}
        self.store.remove(TABLE, ("", name), last)
        del state[name]
        self.history[self.store.revision] = state

    @rule()
    def compact(self) -> None:
        state = self.history[self.store.revision]
        self.store.compact()
        self.compacted = self.store.revision
        self.history[self.store.revision] = state

    @invariant()
    def every_past_state_is_there_or_compacted(self) -> None:
        for revision, state in self.history.items():
            if revision < self.compacted:
                with pytest.raises(Compacted):
                    list(self.table.items_at(revision))
                continue
            found = {
                name: stored.document["value"]
                for (_, name), stored in self.table.items_at(revision)
            }
            assert found == state

    @invariant()
    def revisions_only_grow(self) -> None:
        revisions = [change.revision for change in self.seen]
        assert revisions == sorted(set(revisions))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
