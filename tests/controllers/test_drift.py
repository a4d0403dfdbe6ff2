"""What somebody changes on the SPIRE server is put right; what is not ours is left alone."""

from pathlib import Path

import pytest

from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from tests.support.controllermanager import Manager
from tests.support.entries import spire_entry
from tests.support.setup import Setup, embedded_setup, eventually, some_looks, until


def foreign(id_: str, path: str = "/foreign", selector: str = "ns:other") -> Entry:
    return Entry(
        id=id_,
        spiffe_id=SPIFFEID(trust_domain="example.org", path=path),
        parent_id=SPIFFEID(trust_domain="example.org", path="/spire-k8s-operator/test/node"),
        selectors=[Selector(type="k8s", value=selector)],
    )


async def test_an_entry_deleted_on_the_server_comes_back_and_the_log_says_so(
    embedded: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        obj = await embedded.until_ready("web")
        assert "others changed our entries" not in caplog.text
        embedded.spire.state.delete(obj.status.entry_id)
        (entry,) = await embedded.until_entries("/web", 1)
        assert entry.id == obj.status.entry_id
        await some_looks(embedded)
    assert caplog.text.count("others changed our entries") == 1


async def test_an_entry_changed_on_the_server_is_put_right(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web", ttl=60)
        await embedded.until_ready("web")
        (entry,) = embedded.entries("/web")
        changed = Entry()
        changed.CopyFrom(entry)
        changed.x509_svid_ttl = 7
        changed.dns_names.append("evil.test")
        embedded.spire.state.put(changed)
        await until(
            lambda: (
                embedded.entries("/web")[0].x509_svid_ttl == 60
                and not embedded.entries("/web")[0].dns_names
            )
        )


async def test_entries_that_are_not_ours_are_never_touched(embedded: Setup) -> None:
    for id_ in ("made-by-hand", "other-12345678.web.abc", "join-token"):
        embedded.spire.state.put(foreign(id_, f"/{id_}"))
    before = {e.id: e.SerializeToString(deterministic=True) for e in embedded.entries()}
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await some_looks(embedded)
    after = {e.id: e.SerializeToString(deterministic=True) for e in embedded.entries()}
    assert before.items() <= after.items()


async def test_an_entry_with_our_prefix_that_nobody_claims_goes(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        obj = await embedded.until_ready("web")
        prefix = obj.status.entry_id.partition(".")[0]
        embedded.spire.state.put(foreign(f"{prefix}.left-over.{'a' * 26}", "/left-over"))
        await embedded.until_entries("/left-over", 0)
        assert len(embedded.entries("/web")) == 1


async def test_an_equal_entry_of_somebody_else_is_adopted_and_corrected(embedded: Setup) -> None:
    embedded.spire.state.put(foreign("made-before", "/web", "pod-label:app:web"))
    async with embedded.registrar():
        await embedded.apply("web", ttl=60)
        obj = await embedded.until_ready("web")
        assert obj.status.entry_id == "made-before"
        await until(lambda: [e.x509_svid_ttl for e in embedded.entries("/web")] == [60])

        async def is_recorded() -> bool:
            return [e.status.entry_id for e in await embedded.spire_entries()] == ["made-before"]

        await eventually(is_recorded)
    async with embedded.registrar():
        await embedded.client.delete("/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids/web")
        await embedded.until_entries("/web", 0)


async def test_what_was_adopted_is_not_created_anew_at_a_restart(embedded: Setup) -> None:
    embedded.spire.state.put(foreign("made-before", "/web", "pod-label:app:web"))
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await embedded.alias()
    calls = embedded.spire.calls["BatchCreateEntry"]
    async with embedded.registrar():
        await some_looks(embedded)
        assert embedded.spire.calls["BatchCreateEntry"] == calls
        # It is ours still: what is asked for is set, and it goes with the claim.
        await embedded.apply("web", ttl=60)
        await until(lambda: [e.x509_svid_ttl for e in embedded.entries("/web")] == [60])
        assert [e.id for e in embedded.entries("/web")] == ["made-before"]
        await embedded.client.delete("/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids/web")
        await embedded.until_entries("/web", 0)
    assert embedded.spire.calls["BatchCreateEntry"] == calls


async def test_what_was_adopted_and_is_claimed_no_more_after_a_restart_is_named(
    embedded: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    """Its ID is not ours, and a record alone gives nobody the right to delete it."""
    manager = Manager(embedded)
    embedded.spire.state.put(
        spire_entry("foreign", "/static/a", parent="/agent", selectors=["unix:uid:0"])
    )
    async with manager.running():
        await manager.static_entry("a")

        async def is_recorded() -> bool:
            return [r.status.entry_id for r in await embedded.spire_entries()] == ["foreign"]

        await eventually(is_recorded)
        (record,) = await embedded.spire_entries()
        name = record.metadata.name
    await manager.static_entry("a", spiffeID="/b")
    caplog.clear()
    async with manager.running():
        await manager.until_paths("/b", "/static/a")

        async def is_told() -> bool:
            events = await embedded.events("SpireEntry", name)
            return [e.reason for e in events] == ["EntryLeft"] and "'foreign'" in events[0].message

        await eventually(is_told)
        said = [getattr(record, "kv", {}) for record in caplog.records]
        assert [kv["entry"] for kv in said if "entry" in kv] == ["foreign"]


async def test_adoption_can_be_refused(embedded: Setup) -> None:
    embedded.spire.state.put(foreign("made-before", "/web", "pod-label:app:web"))
    async with embedded.registrar(adoption_policy="refuse"):
        await embedded.apply("web", ttl=60)
        await embedded.until_ready("web", "False")
        ready = await embedded.condition("web")
        assert ready is not None
        assert (ready.reason, "'made-before'" in ready.message) == ("EntryExists", True)
        assert [e.x509_svid_ttl for e in embedded.entries("/web")] == [0]


async def test_an_entry_of_another_registrar_is_never_taken_over(embedded: Setup) -> None:
    others = f"other-12345678.web.{'a' * 26}"
    embedded.spire.state.put(foreign(others, "/web", "pod-label:app:web"))
    async with embedded.registrar():
        await embedded.apply("web", ttl=60)
        await embedded.until_ready("web", "False")
        assert [(e.id, e.x509_svid_ttl) for e in embedded.entries("/web")] == [(others, 0)]


async def test_two_instances_on_one_cluster_leave_each_other_alone(embedded: Setup) -> None:
    async with embedded.registrar(), embedded.registrar(class_name="blue"):
        await embedded.apply("web")
        await embedded.apply("web-blue", spiffeId="spiffe://example.org/web", className="blue")
        await embedded.until_ready("web")
        await embedded.until_ready("web-blue")
        assert len(embedded.entries("/web")) == 2
        await embedded.client.delete("/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids/web")
        await embedded.until_entries("/web", 1)
        assert (await embedded.condition("web-blue")) is not None


async def test_a_name_that_another_key_holds_on_the_server_is_not_trusted(
    embedded: Setup,
) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        id_ = (await embedded.until_ready("web")).status.entry_id
        await embedded.client.delete("/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids/web")
        await embedded.until_entries("/web", 0)

        async def is_unrecorded() -> bool:
            return not await embedded.spire_entries()

        await eventually(is_unrecorded)
    async with embedded.registrar(drift_interval_seconds=3600):
        embedded.spire.state.put(foreign(id_, "/squatter"))
        await embedded.apply("web")
        obj = await embedded.until_ready("web")
        assert obj.status.entry_id != id_
        assert len(embedded.entries("/web")) == 1


async def test_second_entries_of_one_key_are_healed(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        obj = await embedded.until_ready("web")
        prefix = obj.status.entry_id.partition(".")[0]
        twin = foreign(f"{prefix}.web.{'a' * 26}", "/web", "pod-label:app:web")
        embedded.spire.state.put(twin)
        assert len(embedded.entries("/web")) == 2
        await embedded.until_entries("/web", 1)


async def test_fields_that_an_old_server_drops_are_not_written_for_ever(tmp_path: Path) -> None:
    dropped = frozenset({"hint", "jwt_svid_ttl"})
    async with (
        embedded_setup(tmp_path, dropped_fields=dropped) as setup,
        setup.registrar(),
    ):
        await setup.apply("web", hint="h", jwtTtl=60)
        await setup.until_ready("web")
        assert [e.hint for e in setup.entries("/web")] == [""]
        ready = await setup.condition("web")
        assert ready is not None
        assert "without hint, jwt_svid_ttl" in ready.message
        await setup.alias()
        writes = setup.spire.writes.total()
        await some_looks(setup)
        assert setup.spire.writes.total() == writes
