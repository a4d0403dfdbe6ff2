"""Writer and mirror against a plain model: whatever happens, the mirror tells the truth."""

import asyncio
import itertools
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from devcluster.spire.server import SpireServer
from registrar.identity.entry import Attributes
from registrar.settings.model import UnixAddress
from registrar.spire.connection import open_connection
from registrar.spire.convert import from_proto, to_proto
from registrar.spire.entries import EntryClient
from registrar.spire.errors import SpireError
from registrar.spire.mirror import EntryMirror
from registrar.spire.writer import EntryWriter
from tests.support.entries import is_ours, make_entry

NAMES = st.sampled_from(["a", "b", "c"])
HINTS = st.sampled_from(["", "x", "y"])


@dataclass(frozen=True)
class Step:
    """One thing that we (create, update, delete) or others (tamper, remove) do."""

    what: str
    name: str
    hint: str = ""


STEPS = st.builds(
    Step,
    st.sampled_from(["create", "update", "delete", "tamper", "remove", "refresh", "break"]),
    NAMES,
    HINTS,
)


@dataclass
class Bench:
    """The thing under test, and the plain model: what each entry's hint must be, by ID."""

    server: SpireServer
    writer: EntryWriter
    mirror: EntryMirror
    model: dict[str, str] = field(default_factory=dict)

    async def ours(self, step: Step) -> None:
        """A write of ours, and what must have become of it if it did not fail."""
        entry = make_entry(step.name, Attributes(hint=step.hint))
        try:
            if step.what == "create":
                await self.writer.create(entry)
                assert entry.id not in self.model
                self.model[entry.id] = step.hint
            elif step.what == "update":
                await self.writer.update(entry, frozenset({"hint"}))
                assert entry.id in self.model
                self.model[entry.id] = step.hint
            else:
                assert await self.writer.delete(entry.id) is (entry.id in self.model)
                self.model.pop(entry.id, None)
        except SpireError as error:
            expected = {
                "create": "EntryExists" if entry.id in self.model else None,
                "update": "EntryNotFound" if entry.id not in self.model else None,
            }.get(step.what)
            if error.reason not in {expected, "SpireUnavailable"}:
                raise

    def theirs(self, step: Step) -> None:
        """Something that others do behind our back."""
        entry = make_entry(step.name, Attributes(hint=step.hint))
        if step.what == "tamper":
            self.server.state.put(to_proto(entry))
            self.model[entry.id] = step.hint
        elif step.what == "remove":
            self.server.state.delete(entry.id)
            self.model.pop(entry.id, None)
        else:
            self.server.faults.fail("BatchCreateEntry", times=1)


async def run(steps: list[list[Step]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spire.sock"
        async with (
            SpireServer.serve(socket_path=path) as server,
            open_connection(UnixAddress(path), trust_domain="example.org") as connection,
        ):
            # No two things in one second: only a thorough look tells such apart.
            server.state.clock = itertools.count(1_000).__next__
            client = EntryClient(connection)
            mirror = EntryMirror(client, is_ours=is_ours)
            writer = EntryWriter(client, mirror)
            async with writer.running():
                await play(Bench(server, writer, mirror), steps)


async def play(bench: Bench, rounds: list[list[Step]]) -> None:
    """Each round's own writes go at once, the rest between the rounds."""
    for steps in rounds:
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                if step.what in {"create", "update", "delete"}:
                    tasks.create_task(bench.ours(step))
                elif step.what == "refresh":
                    tasks.create_task(bench.mirror.refresh())
        for step in steps:
            if step.what in {"tamper", "remove", "break"}:
                bench.theirs(step)
    bench.server.faults.clear()
    held = {entry.id: entry for entry in map(from_proto, bench.server.state.entries())}
    assert {entry_id: entry.attributes.hint for entry_id, entry in held.items()} == bench.model
    drift = await bench.mirror.refresh()
    assert dict(bench.mirror.own) == held
    # What the last look brought is what we did not know; a second one brings nothing.
    for entry in drift.changed + drift.appeared:
        assert held[entry.id] == entry
    assert not await bench.mirror.refresh()


@settings(deadline=None)
@given(st.lists(st.lists(STEPS, max_size=6), max_size=5))
def test_the_mirror_tells_the_truth_whatever_happens(rounds: list[list[Step]]) -> None:
    asyncio.run(run(rounds))


@settings(deadline=None)
@given(st.lists(st.builds(Step, st.sampled_from(["create", "update", "delete"]), NAMES, HINTS)))
def test_own_writes_alone_never_look_like_drift(steps: list[Step]) -> None:
    async def alone() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "spire.sock"
            async with (
                SpireServer.serve(socket_path=path) as server,
                open_connection(UnixAddress(path), trust_domain="example.org") as connection,
            ):
                client = EntryClient(connection)
                mirror = EntryMirror(client, is_ours=is_ours)
                writer = EntryWriter(client, mirror)
                bench = Bench(server, writer, mirror)
                async with writer.running(), asyncio.TaskGroup() as tasks:
                    looks = [tasks.create_task(mirror.refresh())]
                    for step in steps:
                        tasks.create_task(bench.ours(step))
                    looks.append(tasks.create_task(mirror.refresh()))
                assert not any(look.result() for look in looks)
                assert not await mirror.refresh()

    asyncio.run(alone())


def test_an_entry_survives_the_way_to_the_server_and_back() -> None:
    entry = replace(make_entry(), expires_at=7)
    assert from_proto(to_proto(entry)) == entry
