"""No error ever removes an entry that works, and everything recovers."""

import asyncio

import grpc
import pytest

from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY
from api.meta import find_condition
from registrar.settings.model import DeletionBudget, PodIdentity
from registrar.spire.entries import EntryClient
from tests.support.setup import Setup, eventually, some_looks, until

INVALID = {"spiffeId": "spiffe://other.test/web"}


async def test_an_invalid_edit_keeps_the_last_good_state(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.until_ready("web")
        await setup.apply("web", **INVALID)
        await setup.until_ready("web", "False")
        ready = await setup.condition("web")
        assert ready is not None
        assert ready.reason == "InvalidSpec"
        assert "spec.spiffeId" in ready.message
        assert "other.test" in ready.message
        assert len(setup.entries("/web")) == 1

        async def is_reported() -> bool:
            events = await setup.events("ClusterSpiffeId", "web")
            return any(e.reason == "InvalidSpec" and e.type == "Warning" for e in events)

        await eventually(is_reported)


async def test_an_invalid_object_keeps_its_last_good_state_over_a_restart(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.until_ready("web")

        async def is_recorded() -> bool:
            return [bool(e.status.entry_id) for e in await setup.spire_entries()] == [True]

        await eventually(is_recorded)
    await setup.apply("web", **INVALID)
    async with setup.registrar():
        await setup.until_ready("web", "False")
        await some_looks(setup)
        assert len(setup.entries("/web")) == 1
        await setup.apply("web", spiffeId="spiffe://example.org/corrected")
        await setup.until_entries("/corrected", 1)
        await setup.until_entries("/web", 0)


async def test_a_record_cannot_give_an_invalid_object_more_than_it_had(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.until_ready("web")

        async def is_recorded() -> bool:
            return [bool(e.status.entry_id) for e in await setup.spire_entries()] == [True]

        await eventually(is_recorded)
    await setup.apply("web", **INVALID)
    (record,) = await setup.spire_entries()
    path = SPIRE_ENTRY.path("", record.metadata.name)
    await setup.client.merge(path, {"spec": {"admin": True}})
    async with setup.registrar():

        async def is_written_anew() -> bool:
            return [e.spec.admin for e in await setup.spire_entries()] == [False]

        await eventually(is_written_anew)
        await until(lambda: [e.admin for e in setup.entries("/web")] == [False])


async def test_one_bad_object_does_not_stop_the_others(setup: Setup) -> None:
    async with setup.registrar():
        await setup.apply("bad", **INVALID)
        await setup.apply("web")
        await setup.until_ready("web")
        await setup.until_ready("bad", "False")
        assert setup.entries("/web")


async def test_an_entry_that_spire_refuses_is_reported_and_harms_no_other(
    embedded: Setup,
) -> None:
    async with embedded.registrar():
        embedded.spire.faults.fail_entry(
            lambda entry: entry.spiffe_id.path == "/bad", code=grpc.StatusCode.INVALID_ARGUMENT
        )
        await embedded.apply("bad")
        await embedded.apply("web")
        await embedded.until_ready("web")
        await embedded.until_ready("bad", "False")


async def test_spire_may_come_later(embedded: Setup) -> None:
    await embedded.spire.stop()
    await embedded.apply("web")
    async with embedded.starting() as process:
        await asyncio.to_thread(lambda: None)
        assert not process.first_pass_is_over
        await embedded.spire.start()
        await embedded.until_ready("web")


async def test_spire_may_go_and_come_back(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await embedded.spire.stop()
        await embedded.apply("later")

        async def is_reported() -> bool:
            ready = await embedded.condition("later")
            return ready is not None and ready.status == "False"

        await eventually(is_reported)
        await embedded.spire.start()
        await embedded.until_ready("later")
        assert len(embedded.entries("/web")) == 1


async def test_a_refusing_spire_is_asked_again(embedded: Setup) -> None:
    async with embedded.registrar():
        embedded.spire.faults.fail("BatchCreateEntry", times=3)
        await embedded.apply("web")
        await embedded.until_ready("web")


async def test_the_api_server_may_come_later_and_go_and_come_back(embedded: Setup) -> None:
    assert embedded.embedded is not None
    await embedded.apply("web")
    await embedded.embedded.stop()
    async with embedded.starting():
        await embedded.embedded.start()
        await embedded.until_ready("web")
        await embedded.embedded.stop()
        await embedded.embedded.start()
        await embedded.apply("later")
        await embedded.until_ready("later")
        assert len(embedded.entries("/web")) == 1


async def test_expired_watches_lose_nothing(embedded: Setup) -> None:
    assert embedded.embedded is not None
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        embedded.embedded.faults.expire_watches()
        await embedded.apply("later")
        await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
        await embedded.until_ready("later")
        await embedded.until_entries("/web", 0)


async def test_conflicts_are_resolved(embedded: Setup) -> None:
    assert embedded.embedded is not None
    async with embedded.registrar():
        embedded.embedded.faults.fail(3, 409, method="POST", resource="spireentries")
        await embedded.apply("web")
        await embedded.until_ready("web")

        async def is_recorded() -> bool:
            return len(await embedded.spire_entries()) == 1

        await eventually(is_recorded)


async def test_a_missing_kind_removes_nothing(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + CLUSTER_SPIFFE_ID.resource
    await embedded.client.delete(crd)
    async with embedded.starting() as process:
        await until(lambda: "missing" in (process.why_not_ready() or ""))
        assert embedded.spire.calls["BatchDeleteEntry"] == 0
        assert len(embedded.entries("/web")) == 1


@pytest.fixture
def small_budget() -> DeletionBudget:
    return DeletionBudget(count=3, fraction=0.2)


async def test_a_mass_deletion_waits_for_a_word(setup: Setup, small_budget: DeletionBudget) -> None:
    names = [f"n{number}" for number in range(10)]
    async with setup.registrar():
        for name in names:
            await setup.apply(name)
        for name in names:
            await setup.until_ready(name)
    for name in names:
        await setup.client.delete(CLUSTER_SPIFFE_ID.path("", name))
    async with setup.registrar(deletion_budget=small_budget):

        async def is_withheld() -> bool:
            alias = await setup.alias()
            return find_condition(alias.status.conditions, "DeletionsWithheld") is not None

        await eventually(is_withheld)
        assert len(setup.entries()) == 10
        alias = await setup.alias()

        async def is_reported() -> bool:
            events = await setup.events("SpireEntry", alias.metadata.name)
            return any(e.reason == "DeletionsWithheld" for e in events)

        await eventually(is_reported)
        await setup.client.merge(
            f"/apis/spiffeid.spiffe.io/v1beta1/spireentries/{alias.metadata.name}",
            {"metadata": {"annotations": {"spiffeid.spiffe.io/confirm-deletions": "10"}}},
        )
        await until(lambda: not setup.entries())

        async def is_over() -> bool:
            meta = await setup.alias()
            return (
                find_condition(meta.status.conditions, "DeletionsWithheld") is None
                and not meta.metadata.annotations
            )

        await eventually(is_over)


async def test_pods_that_vanish_in_masses_keep_their_entries(
    embedded: Setup, small_budget: DeletionBudget
) -> None:
    pods = PodIdentity("label", "spiffe")
    names = [f"p{number}" for number in range(10)]
    async with embedded.registrar(pods=pods):
        for name in names:
            await embedded.create_pod(name, spiffe=name)
        await until(lambda: len(embedded.entries()) == 10)

        async def are_recorded() -> bool:
            return len(await embedded.cluster_spiffe_ids()) == 10

        await eventually(are_recorded)
    for name in names:
        await embedded.client.delete(f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")
    async with embedded.registrar(pods=pods, deletion_budget=small_budget):

        async def is_withheld() -> bool:
            alias = await embedded.alias()
            return find_condition(alias.status.conditions, "DeletionsWithheld") is not None

        await eventually(is_withheld)
        assert len(embedded.entries()) == 10
        assert len(await embedded.cluster_spiffe_ids()) == 10


async def test_an_answer_of_spire_that_nobody_foresaw_does_not_end_the_process(
    embedded: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded.registrar() as process:
        with monkeypatch.context() as patch:

            def unreadable(*_: object, **__: object) -> None:
                raise OverflowError("a bug")

            patch.setattr(EntryClient, "pages", unreadable)
            await until(lambda: "cannot be read" in (process.why_not_ready() or ""))
        await until(lambda: process.why_not_ready() is None)
        await embedded.apply("web")
        await embedded.until_ready("web")
