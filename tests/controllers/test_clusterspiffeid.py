"""ClusterSpiffeId to SpireEntry to SPIRE entry."""

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY
from api.spiffeid.v1beta1.spireentry import SpireEntry
from tests.support.setup import Setup, eventually, some_looks, until


@pytest.mark.story
async def test_an_applied_object_gives_a_spire_entry(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web", ttl=60, dnsNames=["web.test"], hint="h")
        obj = await setup.until_ready("web")
        (entry,) = setup.entries()
        assert entry.id == obj.status.entry_id
        assert entry.spiffe_id.path == "/web"
        assert entry.parent_id.path == "/spire-k8s-operator/test/node"
        assert [(s.type, s.value) for s in entry.selectors] == [("k8s", "pod-label:app:web")]
        assert (entry.x509_svid_ttl, list(entry.dns_names), entry.hint) == (60, ["web.test"], "h")
        record = await the_record(setup, "/web")
        assert record.metadata.name == obj.status.spire_entry
        assert record.status.entry_id == entry.id
        assert [o.uid for o in record.metadata.owner_references] == [obj.metadata.uid]


async def the_record(setup: Setup, path: str) -> SpireEntry:
    """The only SpireEntry, once it is that of the path and tells the entry's ID."""
    found: list[SpireEntry] = []

    async def is_recorded() -> bool:
        found[:] = await setup.spire_entries()
        return [r.spec.spiffe_id for r in found] == [f"spiffe://example.org{path}"] and bool(
            found[0].status.entry_id
        )

    await eventually(is_recorded)
    return found[0]


@pytest.mark.story
async def test_the_alias_of_the_agents_is_an_entry_of_the_registrar(setup: Setup) -> None:
    async with setup.registrar():
        await until(lambda: len(setup.all_entries()) == 1)
        (entry,) = setup.all_entries()
        assert entry.spiffe_id.path == "/spire-k8s-operator/test/node"
        assert entry.parent_id.path == "/spire/server"
        assert [(s.type, s.value) for s in entry.selectors] == [("k8s_psat", "cluster:test")]


@pytest.mark.story
async def test_an_attribute_is_changed_in_place(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web", ttl=60)
        before = await setup.until_ready("web")
        await setup.apply("web", ttl=120)
        after = await setup.until_ready("web")
        await until(lambda: setup.entries("/web")[0].x509_svid_ttl == 120)
        assert after.status.entry_id == before.status.entry_id
        assert setup.entries("/web")[0].revision_number == 1


@pytest.mark.story
async def test_a_changed_id_replaces_the_entry_and_its_record(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.until_ready("web")
        await setup.apply("web", spiffeId="spiffe://example.org/renamed")
        obj = await setup.until_ready("web")
        await setup.until_entries("/web", 0)
        (entry,) = setup.entries("/renamed")
        assert obj.status.entry_id == entry.id
        await the_record(setup, "/renamed")


async def test_the_old_entry_stays_until_the_new_one_exists(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        with embedded.spire.faults.held("BatchCreateEntry"):
            calls = embedded.spire.calls["BatchCreateEntry"]
            await embedded.apply("web", spiffeId="spiffe://example.org/renamed")
            await until(lambda: embedded.spire.calls["BatchCreateEntry"] > calls)
            assert len(embedded.entries("/web")) == 1
        await embedded.until_entries("/web", 0)
        assert len(embedded.entries("/renamed")) == 1


async def test_a_start_leaves_an_entry_alone_that_several_ask_for(embedded: Setup) -> None:
    """Whoever is looked at first: only the oldest object's wish counts."""
    ttls = {f"n{number}": 60 + number for number in range(20)}
    async with embedded.registrar():
        for name, ttl in ttls.items():
            shared = {"spiffeId": "spiffe://example.org/s", "selector": {"namespace": "a"}}
            await embedded.apply(name, **shared, ttl=ttl)
        objects = [(await embedded.get(name)).metadata for name in ttls]
        oldest = min(objects, key=lambda meta: (meta.creation_timestamp, meta.uid))
        await until(
            lambda: [e.x509_svid_ttl for e in embedded.entries("/s")] == [ttls[oldest.name]]
        )
        await embedded.until_ready(oldest.name)
    writes = embedded.spire.writes.total()
    async with embedded.registrar():
        await some_looks(embedded)
    assert embedded.spire.writes.total() == writes


async def test_objects_that_ask_for_the_same_share_one_entry(setup: Setup) -> None:
    shared = {"spiffeId": "spiffe://example.org/s", "selector": {"namespace": "a"}}
    async with setup.registrar():
        await setup.apply("one", **shared, ttl=60)
        await setup.until_ready("one")
        await setup.apply("two", **shared, ttl=120)
        await setup.until_ready("two")

        async def is_owned_by_both() -> bool:
            owners = (await the_record(setup, "/s")).metadata.owner_references
            return {o.name for o in owners} == {"one", "two"}

        await eventually(is_owned_by_both)

        async def masked() -> list[str]:
            return [n for n in ("one", "two") if await setup.condition(n, "Masked") is not None]

        async def is_masked() -> bool:
            return len(await masked()) == 1

        # Made within one second, either may count as the older.
        await eventually(is_masked)
        (younger,) = await masked()
        older, ttls = {"one", "two"} - {younger}, {"one": 60, "two": 120}
        expected = [ttls[name] for name in older]
        await until(lambda: [e.x509_svid_ttl for e in setup.entries("/s")] == expected)
        await setup.client.delete(CLUSTER_SPIFFE_ID.path("", older.pop()))
        await until(lambda: setup.entries("/s")[0].x509_svid_ttl == ttls[younger])
        await setup.client.delete(CLUSTER_SPIFFE_ID.path("", younger))
        await setup.until_entries("/s", 0)

        async def is_unrecorded() -> bool:
            return not await setup.spire_entries()

        await eventually(is_unrecorded)


async def test_an_object_deleted_while_the_registrar_was_down_loses_its_entry(
    setup: Setup,
) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.apply("stays")
        await setup.until_ready("web")
        await setup.until_ready("stays")

        async def are_recorded() -> bool:
            return len(await setup.spire_entries()) == 2

        await eventually(are_recorded)
    await setup.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))

    async def is_collected() -> bool:
        return len(await setup.spire_entries()) == 1

    await eventually(is_collected)
    assert len(setup.entries("/web")) == 1
    async with setup.registrar():
        await setup.until_entries("/web", 0)
        assert len(setup.entries("/stays")) == 1


async def test_a_restart_with_nothing_to_do_writes_nothing(setup: Setup) -> None:
    async with setup.registrar():
        for name in ("a", "b", "c"):
            await setup.apply(name)
        for name in ("a", "b", "c"):
            await setup.until_ready(name)

        async def are_recorded() -> bool:
            records = await setup.spire_entries()
            return len(records) == 3 and all(r.status.entry_id for r in records)

        await eventually(are_recorded)
        await eventually(lambda: settled(setup))
    writes = setup.spire.writes.total()
    versions = await versions_of(setup)
    async with setup.registrar():
        await some_looks(setup)
    assert setup.spire.writes.total() == writes
    assert await versions_of(setup) == versions


async def settled(setup: Setup) -> bool:
    """Whether the alias is recorded too, the last of the writes."""
    return bool((await setup.alias()).status.entry_id)


async def versions_of(setup: Setup) -> dict[str, str]:
    """The resourceVersions of all our objects."""
    objects = [*await setup.cluster_spiffe_ids(), *await setup.spire_entries()]
    return {f"{o.kind} {o.metadata.name}": o.metadata.resource_version for o in objects}


async def test_a_spire_entry_deleted_by_hand_comes_back(setup: Setup) -> None:
    async with setup.registrar(drift_interval_seconds=3600):
        await setup.apply("web")
        await setup.until_ready("web")
        record = await the_record(setup, "/web")
        await setup.client.delete(SPIRE_ENTRY.path("", record.metadata.name))

        async def is_back() -> bool:
            records = await setup.spire_entries()
            return len(records) == 1 and records[0].metadata.uid != record.metadata.uid

        await eventually(is_back)
        assert len(setup.entries("/web")) == 1


async def test_a_spire_entry_that_nobody_claims_grants_nothing(setup: Setup) -> None:
    async with setup.registrar():
        await setup.client.apply(
            {
                "apiVersion": SPIRE_ENTRY.api_version,
                "kind": SPIRE_ENTRY.kind,
                "metadata": {"name": "forged"},
                "spec": {
                    "spiffeId": "spiffe://example.org/admin",
                    "parentId": "spiffe://example.org/spire-k8s-operator/test/node",
                    "selectors": ["k8s:ns:evil"],
                    "admin": True,
                },
            }
        )

        async def is_removed() -> bool:
            return not await setup.spire_entries()

        await eventually(is_removed)
        assert setup.entries("/admin") == []

        async def is_reported() -> bool:
            return [e.reason for e in await setup.events("SpireEntry", "forged")] == ["Unclaimed"]

        await eventually(is_reported)
