"""The release pass deletes what nobody claims, also at the moment of the deletion."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import grpc

from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.confirmation import BySetting
from controllers.lastgood import RECORD_INDEXES
from controllers.release import ReleasePass
from controllers.shared import SharedState
from registrar.claims.budget import DeletionBudget
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.store import Store
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.builders import make_claim, make_key
from tests.support.shared import unconnected
from tests.support.waiting import until

PLAIN, BOSS = make_key("/plain"), make_key("/boss")


class Unreached:
    """A SPIRE server that nobody asks."""

    problem = ""

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        raise NotImplementedError


class Writer:
    """Deletes at once; ``meanwhile`` happens before the first answer."""

    dropped_fields: frozenset[str] = frozenset()

    def __init__(self, mirror: EntryMirror, meanwhile: Callable[[], None]) -> None:
        self._mirror = mirror
        self._meanwhile = meanwhile
        self.deleted: list[str] = []

    async def create(self, entry: Entry) -> Entry:
        return entry

    async def update(self, entry: Entry, fields: frozenset[str]) -> Entry:  # noqa: ARG002 - the protocol's
        return entry

    async def delete(self, entry_id: str) -> bool:
        self._meanwhile()
        self.deleted.append(entry_id)
        self._mirror.removed(entry_id)
        return True


async def test_an_entry_that_is_claimed_while_another_is_deleted_stays() -> None:
    mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
    mirror.wrote(Entry("p.plain", PLAIN, Attributes()))
    mirror.wrote(Entry("p.boss", BOSS, Attributes(admin=True)))
    store: Store[SpireEntry] = Store(RECORD_INDEXES)
    shared = unconnected(
        SharedState(
            "example.org",
            "test",
            "",
            "p",
            Records("", "", lambda _: True),
            Naming(""),
            store,
            mirror.own.get,
        )
    )
    released: list[EntryKey] = []

    def claim() -> None:
        # Nobody has asked the SPIRE server about it yet, so its outcome is not known.
        made = make_claim(key=PLAIN)
        shared.index.replace(made.source, [made])
        released.append(PLAIN)

    writer = Writer(mirror, claim)
    release = ReleasePass(
        shared,
        objects=store,
        writer=writer,
        budget=DeletionBudget(count=100, fraction=1.0, window_seconds=1.0),
        confirmation=BySetting(),
        mirror=mirror,
        clock=lambda: 0.0,
        look_at_held=lambda: None,
    )
    release.add(PLAIN)
    release.add(BOSS)
    release.open()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(release.run())
        await until(lambda: bool(released))
        await until(lambda: bool(writer.deleted))
        # Whatever the same pass would have deleted besides is deleted by the end of the next one.
        release.add(BOSS)
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
    assert writer.deleted == ["p.boss"]
