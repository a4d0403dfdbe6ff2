"""The batching writer against a server."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from devcluster.spire.server import SpireServer
from registrar.identity.entry import Attributes, Entry
from registrar.settings.model import UnixAddress
from registrar.spire.connection import Connection, open_connection
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.entries import EntryClient
from registrar.spire.errors import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    NotLeading,
    SpireError,
    Unavailable,
)
from registrar.spire.mirror import EntryMirror
from registrar.spire.pace import SMALLEST
from registrar.spire.waiting import until_done
from registrar.spire.writer import EntryWriter
from tests.support.entries import foreign, is_ours, make_entry
from tests.support.waiting import eventually, until

HINT = frozenset({"hint"})


class Batches:
    def __init__(self) -> None:
        self.sizes: list[tuple[str, int]] = []

    def called(self, method: str, code: str, seconds: float) -> None:
        raise AssertionError(f"the client tells of calls: {method} {code} {seconds}")

    def batched(self, method: str, size: int) -> None:
        self.sizes.append((method, size))


async def create_all(writer: EntryWriter, entries: list[Entry]) -> list[Entry | SpireError]:
    async def create(entry: Entry) -> Entry | SpireError:
        try:
            return await writer.create(entry)
        except SpireError as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(create(entry)) for entry in entries]
    return [task.result() for task in made]


async def test_writes_change_the_server_and_the_mirror(
    server: SpireServer, writer: EntryWriter, mirror: EntryMirror
) -> None:
    created = await writer.create(make_entry())
    assert mirror.own == {"ours.web": created}
    updated = await writer.update(make_entry("web", Attributes(hint="h")), HINT)
    assert (updated.attributes.hint, updated.revision_number) == ("h", 1)
    assert mirror.own == {"ours.web": updated}
    assert await writer.delete("ours.web") is True
    assert not mirror.own
    assert await writer.delete("ours.web") is False
    assert server.writes == Counter(created=1, updated=1, deleted=1)
    assert not await mirror.refresh()


async def test_what_comes_while_a_call_is_under_way_goes_together_in_the_next(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    batches = Batches()
    writer = EntryWriter(client, mirror, observer=batches)
    async with writer.running(), asyncio.TaskGroup() as tasks:
        with server.faults.held("BatchCreateEntry"):
            tasks.create_task(writer.create(make_entry("first")))
            await until(lambda: server.calls["BatchCreateEntry"] == 1)
            for number in range(1200):
                tasks.create_task(writer.create(make_entry(f"w{number}")))
    sizes = [size for kind, size in batches.sizes if kind == "create"]
    assert (sizes[0], sum(sizes)) == (1, 1201)
    # How many go together depends on how fast the server is; not even a slow one gets them singly.
    assert all(size >= SMALLEST for size in sizes[1:-1])
    assert len(mirror.own) == 1201


async def test_no_call_is_larger_than_it_may_be(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    batches = Batches()
    writer = EntryWriter(client, mirror, observer=batches, batch_size=5)
    async with writer.running():
        await create_all(writer, [make_entry(f"w{number}") for number in range(20)])
    assert max(size for _, size in batches.sizes) <= 5
    assert len(server.state.entries()) == 20


def a_while_is_over() -> Callable[[], bool]:
    """Longer than a call of a quick server takes."""
    over = time.monotonic() + 0.3
    return lambda: time.monotonic() > over


async def test_updates_that_could_go_many_at_once_make_no_room_for_creations_that_are_slow(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    writer = EntryWriter(client, mirror)
    async with writer.running():
        rooms = [writer.room]
        for number in range(4):
            async with asyncio.TaskGroup() as tasks:
                with server.faults.held("BatchCreateEntry"):
                    tasks.create_task(writer.create(make_entry(f"w{number}")))
                    await until(a_while_is_over())
                    rooms.append(writer.room)
        assert rooms[-1] < rooms[0]


async def test_one_bad_entry_fails_alone(writer: EntryWriter) -> None:
    bad = make_entry("bad", Attributes(dns_names=("my--name",)))
    first, second, third = await create_all(writer, [make_entry("a"), bad, make_entry("b")])
    assert isinstance(first, Entry)
    assert isinstance(second, InvalidArgument)
    assert isinstance(third, Entry)


async def test_a_failed_call_fails_its_entries_each_with_an_error_of_its_own(
    server: SpireServer, writer: EntryWriter, mirror: EntryMirror
) -> None:
    server.faults.fail("BatchCreateEntry", times=1)
    errors = await create_all(writer, [make_entry("a"), make_entry("b")])
    assert all(isinstance(error, Unavailable) for error in errors)
    assert errors[0] is not errors[1]
    assert not mirror.own
    # The next call is not touched by it.
    assert (await writer.create(make_entry("a"))).id == "ours.a"


async def test_an_existing_entry_comes_with_the_error(
    server: SpireServer, writer: EntryWriter
) -> None:
    server.state.put(foreign("web"))
    with pytest.raises(AlreadyExists) as caught:
        await writer.create(make_entry("web"))
    assert caught.value.existing is not None
    assert caught.value.existing.id == "theirs.web"


async def test_updating_an_entry_that_is_gone_tells_the_mirror(
    server: SpireServer, writer: EntryWriter, mirror: EntryMirror
) -> None:
    await writer.create(make_entry())
    server.state.clear()
    with pytest.raises(NotFound):
        await writer.update(make_entry("web", Attributes(hint="h")), HINT)
    assert not mirror.own


async def test_updates_of_different_fields_do_not_share_a_mask(writer: EntryWriter) -> None:
    for name in ("a", "b"):
        await writer.create(make_entry(name, Attributes(hint="old", x509_svid_ttl=60)))
    change = Attributes(hint="new", x509_svid_ttl=99)
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(writer.update(make_entry("a", change), HINT))
        two = tasks.create_task(
            writer.update(make_entry("b", change), frozenset({"x509_svid_ttl"}))
        )
    assert one.result().attributes == Attributes(hint="new", x509_svid_ttl=60)
    assert two.result().attributes == Attributes(hint="old", x509_svid_ttl=99)


async def test_writes_to_one_entry_keep_their_order_even_if_nobody_waits(
    server: SpireServer, writer: EntryWriter, mirror: EntryMirror
) -> None:
    done: list[str] = []

    async def note(name: str, hint: str = "") -> None:
        if name == "create":
            await writer.create(make_entry())
        elif name == "update":
            await writer.update(make_entry("web", Attributes(hint=hint)), HINT)
        else:
            await writer.delete("ours.web")
        done.append(name + hint)

    async with asyncio.TaskGroup() as tasks:
        for name, hint in [
            ("create", ""),
            ("update", "1"),
            ("update", "2"),
            ("delete", ""),
            ("create", ""),
            ("update", "3"),
        ]:
            tasks.create_task(note(name, hint))
    assert done == ["create", "update1", "update2", "delete", "create", "update3"]
    assert mirror.own["ours.web"].attributes.hint == "3"
    assert server.state.entries()[0].hint == "3"


async def test_a_slow_kind_does_not_hold_up_the_others(
    server: SpireServer, writer: EntryWriter
) -> None:
    await writer.create(make_entry("old"))
    async with asyncio.TaskGroup() as tasks:
        with server.faults.held("BatchCreateEntry"):
            tasks.create_task(writer.create(make_entry("new")))
            assert await writer.delete("ours.old") is True


async def test_a_closed_gate_lets_nothing_through(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    is_leading = False
    writer = EntryWriter(client, mirror, gate=lambda: is_leading)
    async with writer.running():
        with pytest.raises(NotLeading):
            await writer.create(make_entry())
        assert not server.calls
        is_leading = True
        await writer.create(make_entry())


async def test_a_cancelled_caller_does_not_break_the_batch(
    server: SpireServer, writer: EntryWriter, mirror: EntryMirror
) -> None:
    async with asyncio.TaskGroup() as tasks:
        with server.faults.held("BatchCreateEntry"):
            leaver = tasks.create_task(writer.create(make_entry("a")))
            stayer = tasks.create_task(writer.create(make_entry("b")))
            await until(lambda: server.calls["BatchCreateEntry"] == 1)
            waiting = tasks.create_task(writer.create(make_entry("c")))
            await asyncio.sleep(0)
            leaver.cancel()
            waiting.cancel()
        assert (await stayer).id == "ours.b"
    # What was sent is known, what was not sent is not sent any more.
    await until(lambda: set(mirror.own) == {"ours.a", "ours.b"})
    assert (await writer.create(make_entry("c"))).id == "ours.c"


async def test_when_it_stops_nobody_waits_for_ever(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    writer = EntryWriter(client, mirror)
    async with asyncio.TaskGroup() as tasks:
        with server.faults.held("BatchCreateEntry"):
            async with writer.running():
                outcome = tasks.create_task(
                    create_all(writer, [make_entry(f"w{n}") for n in range(3)])
                )
                await until(lambda: server.calls["BatchCreateEntry"] == 1)
                late = tasks.create_task(create_all(writer, [make_entry("late")]))
                await asyncio.sleep(0)
    assert all(isinstance(error, NotLeading) for error in outcome.result() + late.result())
    with pytest.raises(NotLeading):
        await writer.create(make_entry("later"))


async def test_fields_that_a_server_drops_are_learnt(tmp_path: Path) -> None:
    dropped = frozenset({"hint", "jwt_svid_ttl"})
    path = tmp_path / "old.sock"
    async with (
        SpireServer.serve(socket_path=path, dropped_fields=dropped),
        open_connection(UnixAddress(path), trust_domain="example.org") as connection,
    ):
        client = EntryClient(connection)
        writer = EntryWriter(client, EntryMirror(client, is_ours=is_ours))
        async with writer.running():
            await writer.create(make_entry("plain"))
            assert writer.dropped_fields == frozenset()
            await writer.create(make_entry("web", Attributes(jwt_svid_ttl=60, store_svid=True)))
            assert writer.dropped_fields == {"jwt_svid_ttl"}
            # What an update does not name says nothing.
            await writer.update(
                make_entry("plain", Attributes(hint="h", x509_svid_ttl=60)),
                frozenset({"x509_svid_ttl"}),
            )
            assert writer.dropped_fields == {"jwt_svid_ttl"}
            await writer.update(make_entry("plain", Attributes(hint="h")), HINT)
            assert writer.dropped_fields == dropped


async def test_fields_that_an_upgraded_server_keeps_are_dropped_no_more(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    dropped = DroppedFields()
    async with (
        SpireServer.serve(socket_path=path, dropped_fields=HINT) as server,
        open_connection(UnixAddress(path), trust_domain="example.org") as connection,
    ):
        client = EntryClient(connection)
        writer = EntryWriter(client, EntryMirror(client, is_ours=is_ours), dropped=dropped)
        async with writer.running():
            await writer.create(make_entry("web", Attributes(hint="h")))
            assert writer.dropped_fields == dropped.fields == HINT
            await server.stop()
            server.dropped_fields = frozenset()
            await server.start()
            await until_done(
                lambda: writer.create(make_entry("api", Attributes(hint="h"))), what="the server"
            )
            assert writer.dropped_fields == frozenset()


async def test_a_server_that_keeps_every_field_drops_none(writer: EntryWriter) -> None:
    await writer.create(make_entry("web", Attributes(hint="h")))
    assert writer.dropped_fields == frozenset()


async def test_only_the_deadline_ends_a_call_that_hangs(
    server: SpireServer, connection: Connection, mirror: EntryMirror
) -> None:
    client = EntryClient(connection, timeout_seconds=0.05)
    writer = EntryWriter(client, mirror)
    async with writer.running():
        with server.faults.held("BatchCreateEntry"):
            with pytest.raises(Unavailable) as caught:
                await writer.create(make_entry())
            assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        # The server may have acted or not: creating again is safe either way.
        await eventually(lambda: _is_made(writer))
        assert [entry.id for entry in server.state.entries()] == ["ours.web"]


async def _is_made(writer: EntryWriter) -> bool:
    """Create the entry, however often a busy machine lets the short deadline pass."""
    with contextlib.suppress(AlreadyExists):
        try:
            await writer.create(make_entry())
        except Unavailable:
            return False
    return True
