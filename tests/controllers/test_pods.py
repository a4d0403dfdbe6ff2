"""The pod controller."""

import pytest

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID, POD
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from registrar.settings.model import PodIdentity
from tests.support.setup import Setup, eventually, some_looks, until

LABEL = PodIdentity("label", "spiffe")


@pytest.mark.story
async def test_a_labelled_pod_gets_an_entry_by_uid_and_namespace(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        uid = await setup.create_pod("web-0", spiffe="web")
        (entry,) = await setup.until_entries("/web", 1)
        assert {s.value for s in entry.selectors} == {f"pod-uid:{uid}", "ns:default"}

        async def is_recorded() -> bool:
            objects = await setup.cluster_spiffe_ids()
            records = await setup.spire_entries()
            return len(objects) == len(records) == 1 and bool(objects[0].status.entry_id)

        await eventually(is_recorded)
        (obj,) = await setup.cluster_spiffe_ids()
        assert [o.kind for o in obj.metadata.owner_references] == ["Namespace"]
        assert obj.status.entry_id == entry.id
        (record,) = await setup.spire_entries()
        assert [o.name for o in record.metadata.owner_references] == [obj.metadata.name]


async def test_a_pod_gets_no_finalizer(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        metadata = (await setup.client.get(POD.path("default", "web-0")))["metadata"]
        assert isinstance(metadata, dict)
        assert "finalizers" not in metadata


async def test_pods_that_ask_for_nothing_get_nothing(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("plain")
        await setup.create_pod("system", "kube-system", spiffe="system")
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        assert [e.spiffe_id.path for e in setup.entries()] == ["/web"]


@pytest.mark.story
async def test_a_label_edit_follows(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        path = POD.path("default", "web-0")
        await setup.client.merge(path, {"metadata": {"labels": {"spiffe": "shop"}}})
        await setup.until_entries("/shop", 1)
        await setup.until_entries("/web", 0)
        await setup.client.merge(path, {"metadata": {"labels": {"spiffe": None}}})
        await setup.until_entries("/shop", 0)

        async def is_clean() -> bool:
            return not await setup.cluster_spiffe_ids() and not await setup.spire_entries()

        await eventually(is_clean)


async def test_a_deleted_pod_loses_its_entry_and_its_objects(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        await setup.client.delete(POD.path("default", "web-0") + "?gracePeriodSeconds=0")
        await setup.until_entries("/web", 0)

        async def is_clean() -> bool:
            return not await setup.cluster_spiffe_ids() and not await setup.spire_entries()

        await eventually(is_clean)


async def test_pods_deleted_while_the_registrar_was_down_are_cleaned_up(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("gone", spiffe="gone")
        await setup.create_pod("stays", spiffe="stays")
        await setup.until_entries("/gone", 1)
        await setup.until_entries("/stays", 1)

        async def are_recorded() -> bool:
            return len(await setup.cluster_spiffe_ids()) == 2

        await eventually(are_recorded)
    await setup.client.delete(POD.path("default", "gone") + "?gracePeriodSeconds=0")
    async with setup.registrar(pods=LABEL):
        await setup.until_entries("/gone", 0)
        assert len(setup.entries("/stays")) == 1

        async def is_clean() -> bool:
            return len(await setup.cluster_spiffe_ids()) == 1

        await eventually(is_clean)


async def test_a_pod_recreated_under_its_name_gets_a_new_entry(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        await setup.client.delete(POD.path("default", "web-0") + "?gracePeriodSeconds=0")
        uid = await setup.create_pod("web-0", spiffe="web")
        await until(
            lambda: (
                [{s.value for s in e.selectors} for e in setup.entries("/web")]
                == [{f"pod-uid:{uid}", "ns:default"}]
            )
        )


async def test_a_bad_label_is_reported_on_the_pod_and_keeps_the_last_good_identity(
    setup: Setup,
) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)
        path = POD.path("default", "web-0")
        await setup.client.merge(path, {"metadata": {"labels": {"spiffe": "spire"}}})

        async def is_reported() -> bool:
            return any(
                e.reason == "InvalidIdentity" and "reserved" in e.message
                for e in await setup.events("Pod", "web-0")
            )

        await eventually(is_reported)
        assert len(setup.entries("/web")) == 1


async def test_deleting_a_made_object_by_hand_brings_it_back(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)

        async def is_made() -> bool:
            return len(await setup.cluster_spiffe_ids()) == 1

        await eventually(is_made)
        (before,) = await setup.cluster_spiffe_ids()
        await setup.client.delete(CLUSTER_SPIFFE_ID.path("", before.metadata.name))

        async def is_back() -> bool:
            objects = await setup.cluster_spiffe_ids()
            return len(objects) == 1 and objects[0].metadata.uid != before.metadata.uid

        await eventually(is_back)
        assert len(await setup.until_entries("/web", 1)) == 1


@pytest.mark.parametrize("privilege", ["admin", "downstream"])
async def test_a_pod_cannot_make_itself_an_administrator(setup: Setup, privilege: str) -> None:
    entry = Entry(
        id="made-by-hand",
        spiffe_id=SPIFFEID(trust_domain="example.org", path="/boss"),
        parent_id=SPIFFEID(trust_domain="example.org", path="/node"),
        selectors=[Selector(type="unix", value="uid:0")],
    )
    setattr(entry, privilege, True)
    setup.spire.state.put(entry)
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("evil", spiffe="boss")

        async def is_refused() -> bool:
            objects = await setup.cluster_spiffe_ids()
            return bool(objects) and any(
                c.reason == "PrivilegedID" for o in objects for c in o.status.conditions
            )

        await eventually(is_refused)
        assert [e.id for e in setup.entries("/boss")] == ["made-by-hand"]


async def test_an_id_that_becomes_an_administrators_is_taken_from_the_pod(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("evil", spiffe="boss")
        await setup.until_entries("/boss", 1)
        await setup.apply(
            "boss",
            spiffeId="spiffe://example.org/boss",
            selector={"namespace": "ops"},
            admin=True,
        )
        await until(lambda: [e.admin for e in setup.entries("/boss")] == [True])


@pytest.mark.parametrize("is_stored", [True, False], ids=["made", "not stored yet"])
async def test_a_label_that_became_wrong_while_it_was_down_costs_nothing(
    setup: Setup, *, is_stored: bool
) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)

        async def is_made() -> bool:
            return bool(await setup.cluster_spiffe_ids())

        await eventually(is_made)
    if not is_stored:
        # As after a crash between the SPIRE write and the API write.
        for obj in await setup.cluster_spiffe_ids():
            await setup.client.delete(CLUSTER_SPIFFE_ID.path("", obj.metadata.name))
    path = POD.path("default", "web-0")
    await setup.client.merge(path, {"metadata": {"labels": {"spiffe": "spire"}}})
    async with setup.registrar(pods=LABEL):
        await some_looks(setup)
        assert len(setup.entries("/web")) == 1
        await setup.client.merge(path, {"metadata": {"labels": {"spiffe": "shop"}}})
        await setup.until_entries("/shop", 1)
        await setup.until_entries("/web", 0)


async def test_an_edit_of_a_made_object_changes_no_entry_and_is_put_right(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)

        async def is_made() -> bool:
            return bool(await setup.cluster_spiffe_ids())

        await eventually(is_made)
        (made,) = await setup.cluster_spiffe_ids()
        boss: JSONObject = {"spec": {"spiffeId": "spiffe://example.org/boss"}}
        await setup.client.merge(CLUSTER_SPIFFE_ID.path("", made.metadata.name), boss)

        async def is_right() -> bool:
            (obj,) = await setup.cluster_spiffe_ids()
            is_another = obj.metadata.generation > made.metadata.generation + 1
            return is_another and obj.spec.spiffe_id == "spiffe://example.org/web"

        await eventually(is_right)
        assert [e.spiffe_id.path for e in setup.entries()] == ["/web"]


async def test_with_the_pod_controller_off_what_was_made_claims_by_itself(setup: Setup) -> None:
    async with setup.registrar(pods=LABEL):
        await setup.create_pod("web-0", spiffe="web")
        await setup.until_entries("/web", 1)

        async def is_recorded() -> bool:
            return [bool(e.status.entry_id) for e in await setup.spire_entries()] == [True]

        await eventually(is_recorded)
    async with setup.registrar():
        await some_looks(setup)
        assert len(setup.entries("/web")) == 1
        (made,) = await setup.cluster_spiffe_ids()
        await setup.client.delete(CLUSTER_SPIFFE_ID.path("", made.metadata.name))
        await setup.until_entries("/web", 0)
