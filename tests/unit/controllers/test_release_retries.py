"""Deletions that fail are tried again, later each time, all of them by one timer."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence

import pytest

from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.confirmation import BySetting
from controllers.lastgood import ENTRY_ID_INDEX
from controllers.release import ReleasePass
from registrar.claims.budget import DeletionBudget
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.store import Store
from registrar.spire.errors import Unavailable
from tests.support.builders import make_key
from tests.support.shared import a_shared_state

pytestmark = pytest.mark.looptime

KEYS = [make_key(f"/{number}") for number in range(5)]


class Server:
    """Holds an entry of ours for each key; deletions fail ``failures`` times."""

    def __init__(self, failures: int) -> None:
        self.own = {key.spiffe_id: Entry(key.spiffe_id, key, Attributes()) for key in KEYS}
        self.privileged_ids: Mapping[str, frozenset[str]] = {}
        self.dropped_fields: frozenset[str] = frozenset()
        self.failures = failures
        self.asked: list[float] = []
        self.is_empty = asyncio.Event()

    async def delete(self, entry_id: str) -> bool:
        self.asked.append(asyncio.get_running_loop().time())
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        del self.own[entry_id]
        if not self.own:
            self.is_empty.set()
        return True

    async def create(self, entry: Entry) -> Entry:
        return entry

    async def update(self, entry: Entry, fields: frozenset[str]) -> Entry:
        del fields
        return entry

    def entry_of(self, key: EntryKey) -> Entry | None:
        return self.own.get(key.spiffe_id)

    def entries_of(self, key: EntryKey) -> Sequence[Entry]:
        return [entry for entry in self.own.values() if entry.key == key]

    async def others(self, spiffe_id: str) -> Sequence[Entry]:
        del spiffe_id
        return []

    @property
    def foreign_ids(self) -> frozenset[str]:
        return frozenset()

    def adoptable(self, key: EntryKey) -> Entry | None:
        del key
        return None

    def doubt(self, key: EntryKey) -> None:
        """Nothing is remembered."""

    def adopt(self, entry: Entry) -> None:
        """Nothing is adopted."""


async def test_deletions_that_fail_come_back_together_and_later_each_time() -> None:
    server = Server(failures=4 * len(KEYS))
    objects: Store[SpireEntry] = Store({ENTRY_ID_INDEX: lambda _: ()})
    clock = asyncio.get_running_loop().time
    release = ReleasePass(
        a_shared_state(),
        objects=objects,
        writer=server,
        budget=DeletionBudget(count=100, fraction=1.0, window_seconds=1.0),
        confirmation=BySetting(),
        mirror=server,
        clock=clock,
        look_at_held=lambda: None,
    )
    release.open()
    for key in KEYS:
        release.add(key)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(release.run())
        async with asyncio.timeout(1000):
            await server.is_empty.wait()
        running.cancel()
    passes = sorted(set(server.asked))
    assert len(passes) == 5, "one pass at a time, for all that failed"
    gaps = [later - earlier for earlier, later in itertools.pairwise(passes)]
    for number, gap in enumerate(gaps):
        assert 0.4 * 2**number <= gap <= 1.1 * 2**number
