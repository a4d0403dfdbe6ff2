"""The mirror against a server that others change too."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from registrar.identity.entry import Attributes
from registrar.spire.convert import to_proto
from registrar.spire.entries import EntryClient
from registrar.spire.errors import Unavailable
from registrar.spire.mirror import RELIST_ABOVE, THOROUGH_EVERY, Drift, EntryMirror
from registrar.spire.writer import EntryWriter
from tests.support.entries import PREFIX, foreign, make_entry
from tests.support.waiting import until

NOTHING = Drift([], [], [])


def put(server: SpireServer, name: str, attributes: Attributes | None = None) -> types_pb2.Entry:
    return server.state.put(to_proto(make_entry(name, attributes or Attributes())))


async def test_loading_keeps_ours_whole_and_counts_the_others(
    server: SpireServer, mirror: EntryMirror
) -> None:
    for number in range(3):
        put(server, f"w{number}")
        server.state.put(foreign(f"f{number}"))
    await mirror.load()
    assert set(mirror.own) == {"ours.w0", "ours.w1", "ours.w2"}
    assert mirror.foreign_count == 3
    found = mirror.entry_of(make_entry("w1").key)
    assert found is not None
    assert found.id == "ours.w1"
    assert mirror.entry_of(make_entry("f1").key) is None


async def test_several_entries_of_one_key_are_all_known_the_oldest_first(
    server: SpireServer, mirror: EntryMirror
) -> None:
    for number in (2, 1):
        server.state.put(to_proto(replace(make_entry("web"), id=f"{PREFIX}{number}")))
    await mirror.load()
    key = make_entry("web").key
    assert [entry.id for entry in mirror.entries_of(key)] == ["ours.1", "ours.2"]
    mirror.removed("ours.1")
    assert [entry.id for entry in mirror.entries_of(key)] == ["ours.2"]
    mirror.removed("ours.2")
    assert mirror.entry_of(key) is None


async def test_privileged_ids_are_known_whoever_made_their_entries(
    server: SpireServer, mirror: EntryMirror
) -> None:
    put(server, "a", Attributes(admin=True))
    server.state.put(foreign("d", Attributes(downstream=True)))
    server.state.put(foreign("plain"))
    await mirror.load()
    assert mirror.privileged_ids == {
        "spiffe://example.org/a": frozenset({"ours.a"}),
        "spiffe://example.org/d": frozenset({"theirs.d"}),
    }
    server.state.delete("theirs.d")
    server.state.put(foreign("plain", Attributes(admin=True)))
    await mirror.refresh()
    assert set(mirror.privileged_ids) == {"spiffe://example.org/a", "spiffe://example.org/plain"}


async def test_without_changes_there_is_no_drift_and_nothing_is_fetched(
    server: SpireServer, mirror: EntryMirror
) -> None:
    put(server, "web")
    server.state.put(foreign())
    await mirror.load()
    server.calls.clear()
    assert not await mirror.refresh()
    assert set(server.calls) == {"ListEntries"}


@pytest.mark.parametrize("count", [3, RELIST_ABOVE + 1], ids=["few", "many"])
async def test_what_others_did_to_our_entries_is_drift(
    server: SpireServer, mirror: EntryMirror, count: int
) -> None:
    for number in range(count):
        put(server, f"changed{number}")
    put(server, "vanished")
    await mirror.load()
    for number in range(count):
        put(server, f"changed{number}", Attributes(hint="by hand"))
    server.state.delete("ours.vanished")
    put(server, "appeared")
    drift = await mirror.refresh()
    assert {entry.id for entry in drift.changed} == {f"ours.changed{n}" for n in range(count)}
    assert all(entry.attributes.hint == "by hand" for entry in drift.changed)
    assert [entry.id for entry in drift.vanished] == ["ours.vanished"]
    assert [entry.id for entry in drift.appeared] == ["ours.appeared"]
    assert mirror.own["ours.changed0"].attributes.hint == "by hand"
    assert await mirror.refresh() == NOTHING


async def test_an_entry_made_anew_under_its_id_is_seen(
    server: SpireServer, mirror: EntryMirror
) -> None:
    times = iter([1_000.0, 2_000.0])
    server.state.clock = lambda: next(times)
    put(server, "web")
    await mirror.load()
    server.state.delete("ours.web")
    put(server, "web", Attributes(hint="by hand"))
    drift = await mirror.refresh()
    assert [entry.attributes.hint for entry in drift.changed] == ["by hand"]


async def test_an_entry_that_lost_a_trust_domain_with_its_bundle_is_seen(
    server: SpireServer, mirror: EntryMirror
) -> None:
    put(server, "web", Attributes(federates_with=("partner.test",)))
    put(server, "api")
    await mirror.load()
    server.state.dissociate("partner.test")
    drift = await mirror.refresh()
    assert [(entry.id, entry.attributes) for entry in drift.changed] == [("ours.web", Attributes())]
    assert await mirror.refresh() == NOTHING


async def test_what_versions_cannot_show_is_found_by_a_thorough_look(
    server: SpireServer, mirror: EntryMirror
) -> None:
    server.state.clock = lambda: 1_000.0
    put(server, "web")
    put(server, "api")
    server.state.put(foreign())
    await mirror.load()
    server.state.delete("ours.web")
    put(server, "web", Attributes(hint="by hand"))
    drifts = [await mirror.refresh() for _ in range(2 * THOROUGH_EVERY)]
    found = [entry for drift in drifts for entry in drift.changed]
    assert [(entry.id, entry.attributes.hint) for entry in found] == [("ours.web", "by hand")]
    assert not any(drift.vanished or drift.appeared for drift in drifts)


async def test_a_changed_key_vanishes_under_the_old_and_appears_under_the_new(
    server: SpireServer, mirror: EntryMirror
) -> None:
    put(server, "web")
    await mirror.load()
    server.state.put(to_proto(replace(make_entry("api"), id="ours.web")))
    drift = await mirror.refresh()
    assert [entry.key for entry in drift.vanished] == [make_entry("web").key]
    assert [entry.key for entry in drift.appeared] == [make_entry("api").key]
    assert mirror.entry_of(make_entry("web").key) is None
    assert mirror.entry_of(make_entry("api").key) is not None


async def test_what_others_do_to_their_entries_is_no_drift(
    server: SpireServer, mirror: EntryMirror
) -> None:
    server.state.put(foreign("a"))
    server.state.put(foreign("b"))
    await mirror.load()
    server.state.put(foreign("a", Attributes(hint="new")))
    server.state.delete("theirs.b")
    server.state.put(foreign("c"))
    assert not await mirror.refresh()
    assert mirror.foreign_count == 2


async def test_an_adopted_entry_is_ours_until_it_is_gone(
    server: SpireServer, client: EntryClient, mirror: EntryMirror
) -> None:
    server.state.put(foreign("a"))
    await mirror.load()
    mirror.adopt(await client.get("theirs.a"))
    assert set(mirror.own) == {"theirs.a"}
    assert mirror.foreign_count == 0
    server.state.put(foreign("a", Attributes(hint="by hand")))
    assert [entry.id for entry in (await mirror.refresh()).changed] == ["theirs.a"]
    server.state.delete("theirs.a")
    assert [entry.id for entry in (await mirror.refresh()).vanished] == ["theirs.a"]
    server.state.put(foreign("a"))
    assert not await mirror.refresh()
    assert mirror.foreign_count == 1


@pytest.mark.parametrize("method", ["load", "refresh"])
async def test_a_page_that_fails_leaves_the_mirror_as_it_was(
    server: SpireServer, mirror: EntryMirror, method: str
) -> None:
    put(server, "a")
    await mirror.load()
    server.state.clear()
    put(server, "b")
    server.faults.fail("ListEntries", code=grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(Unavailable):
        await getattr(mirror, method)()
    assert set(mirror.own) == {"ours.a"}


async def test_an_entry_that_cannot_be_fetched_leaves_the_mirror_as_it_was(
    server: SpireServer, mirror: EntryMirror
) -> None:
    put(server, "a")
    await mirror.load()
    server.state.clear()
    put(server, "b")
    server.faults.fail("GetEntry", code=grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(Unavailable):
        await mirror.refresh()
    assert set(mirror.own) == {"ours.a"}


async def test_writes_that_are_answered_during_a_refresh_are_no_drift(
    server: SpireServer, mirror: EntryMirror, writer: EntryWriter
) -> None:
    await writer.create(make_entry("old"))
    await mirror.load()
    put(server, "by-hand")
    async with asyncio.TaskGroup() as tasks:
        with server.faults.held("GetEntry"):
            refresh = tasks.create_task(mirror.refresh())
            await until(lambda: server.calls["GetEntry"] == 1)
            # The pages were read already; these come after them.
            await writer.create(make_entry("new"))
            await writer.delete("ours.old")
        drift = await refresh
    assert [entry.id for entry in drift.appeared] == ["ours.by-hand"]
    assert not drift.vanished
    assert set(mirror.own) == {"ours.by-hand", "ours.new"}


async def test_writes_under_way_when_a_refresh_ends_are_no_drift(
    mirror: EntryMirror, client: EntryClient
) -> None:
    await mirror.load()
    with mirror.writing(["ours.web"]):
        # The server has it, we have no answer yet.
        await client.create([make_entry("web")])
        assert not await mirror.refresh()
        assert "ours.web" not in mirror.own
    assert [entry.id for entry in (await mirror.refresh()).appeared] == ["ours.web"]


async def test_ten_thousand_entries_load_in_pages(server: SpireServer, mirror: EntryMirror) -> None:
    for number in range(10_000):
        put(server, f"w{number}")
    await mirror.load()
    assert len(mirror.own) == 10_000
    assert server.calls["ListEntries"] == 21


async def test_what_has_our_form_is_ours_where_its_id_allows_it(
    server: SpireServer, client: EntryClient
) -> None:
    keys = {make_entry(name).key for name in ("web", "db")}
    mirror = EntryMirror(
        client,
        is_ours=lambda _: False,
        may_be_ours=lambda id_: id_.startswith("former."),
        has_our_form=lambda key: key in keys,
    )
    for name, id_ in (("web", "former.web"), ("other", "former.other"), ("db", "anothers.db")):
        server.state.put(to_proto(replace(make_entry(name), id=id_)))
    await mirror.load()
    assert set(mirror.own) == {"former.web"}
    # Also what one that still runs makes meanwhile, or changes.
    server.state.delete("anothers.db")
    server.state.put(to_proto(replace(make_entry("db"), id="former.db")))
    await mirror.refresh()
    assert set(mirror.own) == {"former.web", "former.db"}
    server.state.delete("former.web")
    assert [entry.id for entry in (await mirror.refresh()).vanished] == ["former.web"]
