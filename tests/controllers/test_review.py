"""What an adversarial reading of the core found: each test is a way in which it could go wrong."""

import contextlib
import time

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, POD, SPIRE_ENTRY
from api.meta import find_condition
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from registrar.settings.model import DeletionBudget, LeaderElection, PodIdentity
from tests.support.setup import Setup, changed, eventually, some_looks, until

LABEL = PodIdentity("label", "spiffe")
ANNOTATION = PodIdentity("annotation", "spiffe")
BOSS = {"spiffeId": "spiffe://example.org/boss", "selector": {"namespace": "ops"}}


def foreign(id_: str, path: str, selector: str) -> Entry:
    return Entry(
        id=id_,
        spiffe_id=SPIFFEID(trust_domain="example.org", path=path),
        parent_id=SPIFFEID(trust_domain="example.org", path="/spire-k8s-operator/test/node"),
        selectors=[Selector(type="k8s", value=selector)],
    )


async def recorded(setup: Setup, number: int) -> None:
    """Wait until that many entries are recorded, with their IDs."""

    async def is_recorded() -> bool:
        records = await setup.spire_entries()
        return len(records) == number and all(r.status.entry_id for r in records)

    await eventually(is_recorded)


async def refused(setup: Setup) -> None:
    """Wait until a Pod's object is refused."""

    async def is_refused() -> bool:
        return any(
            c.reason == "PrivilegedID"
            for o in await setup.cluster_spiffe_ids()
            for c in o.status.conditions
        )

    await eventually(is_refused)


def pod_entries(setup: Setup, path: str) -> list[Entry]:
    """Entries of a path that name a Pod."""
    return [
        e for e in setup.entries(path) if any(s.value.startswith("pod-uid") for s in e.selectors)
    ]


# Privileges.


@pytest.mark.parametrize("how", ["edited", "deleted"])
async def test_a_refused_pod_is_served_once_its_id_is_no_administrators(
    embedded: Setup, how: str
) -> None:
    async with embedded.registrar(pods=LABEL):
        await embedded.apply("boss", **BOSS, admin=True)
        await embedded.until_ready("boss")
        await embedded.create_pod("late", spiffe="boss")
        await refused(embedded)
        if how == "edited":
            await embedded.apply("boss", **BOSS, admin=False)
        else:
            await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "boss"))
        await until(lambda: len(pod_entries(embedded, "/boss")) == 1)


async def test_a_pods_entry_made_privileged_behind_our_back_is_put_right_not_removed(
    embedded: Setup,
) -> None:
    async with embedded.registrar(pods=LABEL):
        await embedded.create_pod("web-0", spiffe="web")
        (entry,) = await embedded.until_entries("/web", 1)
        embedded.spire.state.put(changed(entry, admin=True))
        await until(lambda: [e.admin for e in embedded.entries("/web")] == [False])


async def test_a_pod_cannot_take_the_id_of_the_agents(embedded: Setup) -> None:
    async with embedded.registrar(pods=ANNOTATION):
        await embedded.client.create(
            "/api/v1/namespaces/default/pods",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "evil",
                    "annotations": {"spiffe": "spire-k8s-operator/test/node"},
                },
                "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
            },
        )
        await embedded.apply("web")
        await embedded.until_ready("web")
        await some_looks(embedded)
        assert pod_entries(embedded, "/spire-k8s-operator/test/node") == []


# Write access to SpireEntries only.


async def test_a_forged_record_gives_no_power_over_an_entry_that_is_not_ours(
    embedded: Setup,
) -> None:
    embedded.spire.state.put(foreign("made-by-hand", "/payments", "ns:payments"))
    await embedded.client.apply(
        {
            "apiVersion": SPIRE_ENTRY.api_version,
            "kind": SPIRE_ENTRY.kind,
            "metadata": {"name": "forged"},
            "spec": {
                "spiffeId": "spiffe://example.org/payments",
                "parentId": "spiffe://example.org/spire-k8s-operator/test/node",
                "selectors": ["k8s:ns:payments"],
            },
            "status": {"entryId": "made-by-hand"},
        }
    )
    async with embedded.registrar():
        await some_looks(embedded)
        assert [e.id for e in embedded.entries("/payments")] == ["made-by-hand"]


async def test_a_forged_record_of_an_invalid_object_gives_no_privilege(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await recorded(embedded, 1)
    await embedded.apply("web", spiffeId="spiffe://other.test/web")
    (record,) = await embedded.spire_entries()
    await embedded.client.merge(
        SPIRE_ENTRY.path("", record.metadata.name), {"spec": {"admin": True}}
    )
    async with embedded.registrar():
        await embedded.until_ready("web", "False")
        await some_looks(embedded)
        assert [e.admin for e in embedded.entries("/web")] == [False]


# Entries that are not ours.


async def test_an_id_that_was_adopted_once_is_not_ours_for_ever(embedded: Setup) -> None:
    embedded.spire.state.put(foreign("by-hand", "/web", "pod-label:app:web"))
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await recorded(embedded, 1)
    async with embedded.registrar():
        await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
        await embedded.until_entries("/web", 0)
        await some_looks(embedded, 2)
        embedded.spire.state.put(foreign("by-hand", "/another", "ns:another"))
        await some_looks(embedded)
        assert len(embedded.entries("/another")) == 1


async def test_an_entry_in_the_way_that_was_deleted_is_out_of_the_way(embedded: Setup) -> None:
    embedded.spire.state.put(foreign("by-hand", "/web", "pod-label:app:web"))
    async with embedded.registrar(adoption_policy="refuse"):
        await embedded.apply("web")
        await embedded.until_ready("web", "False")
        # What the condition asks for.
        embedded.spire.state.delete("by-hand")
        await until(lambda: len(embedded.entries("/web")) == 1)


async def test_an_entry_that_somebody_lets_expire_is_put_right(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        (entry,) = embedded.entries("/web")
        embedded.spire.state.put(changed(entry, expires_at=int(time.time()) + 3600))
        await until(lambda: [e.expires_at for e in embedded.entries("/web")] == [0])


# Create before delete.


async def test_an_unfinished_replacement_survives_a_restart(embedded: Setup) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await recorded(embedded, 1)
        embedded.spire.faults.fail_entry(lambda entry: entry.spiffe_id.path == "/renamed")
        await embedded.apply("web", spiffeId="spiffe://example.org/renamed")
        await embedded.until_ready("web", "False")
        assert len(embedded.entries("/web")) == 1
    async with embedded.registrar():
        await some_looks(embedded)
        assert len(embedded.entries("/web")) == 1


async def test_an_edit_while_the_registrar_was_down_creates_before_it_deletes(
    embedded: Setup,
) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await recorded(embedded, 1)
    await embedded.apply("web", spiffeId="spiffe://example.org/renamed")
    with embedded.spire.faults.held("BatchCreateEntry"):
        async with embedded.registrar():
            await some_looks(embedded)
            assert len(embedded.entries("/web")) == 1


async def test_an_edit_and_back_never_leaves_an_object_without_an_entry(embedded: Setup) -> None:
    assert embedded.embedded is not None
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await recorded(embedded, 1)
        # The record of the first entry outlives the entry itself for a while.
        embedded.embedded.faults.fail(None, 503, method="delete", resource="spireentries")
        await embedded.apply("web", spiffeId="spiffe://example.org/renamed")
        await embedded.until_ready("web")
        await embedded.until_entries("/web", 0)
        with embedded.spire.faults.held("BatchCreateEntry"):
            await embedded.apply("web")
            await some_looks(embedded)
            assert len(embedded.entries("/renamed")) == 1


# The pod controller.


async def test_a_label_edit_taken_back_before_it_is_written_is_taken_back(
    embedded: Setup,
) -> None:
    assert embedded.embedded is not None
    async with embedded.registrar(pods=LABEL):
        await embedded.create_pod("web-0", spiffe="web")
        await embedded.until_entries("/web", 1)
        await recorded(embedded, 1)
        path = POD.path("default", "web-0")
        embedded.embedded.faults.fail(None, 503, method="patch", resource="clusterspiffeids")
        await embedded.client.merge(path, {"metadata": {"labels": {"spiffe": "shop"}}})
        await embedded.until_entries("/shop", 1)
        await embedded.until_entries("/web", 0)
        await embedded.client.merge(path, {"metadata": {"labels": {"spiffe": "web"}}})
        await until(lambda: [e.spiffe_id.path for e in embedded.entries()] == ["/web"])


async def test_a_label_put_back_while_its_object_is_being_deleted_counts(
    embedded: Setup,
) -> None:
    assert embedded.embedded is not None
    async with embedded.registrar(pods=LABEL):
        await embedded.create_pod("web-0", spiffe="web")
        await embedded.until_entries("/web", 1)
        await recorded(embedded, 1)
        path = POD.path("default", "web-0")
        embedded.embedded.faults.delay(1.0, 1, method="delete", resource="clusterspiffeids")
        await embedded.client.merge(path, {"metadata": {"labels": {"spiffe": None}}})
        await embedded.until_entries("/web", 0)
        await embedded.client.merge(path, {"metadata": {"labels": {"spiffe": "web"}}})
        await embedded.until_entries("/web", 1)

        async def is_deleted() -> bool:
            return not await embedded.cluster_spiffe_ids()

        with contextlib.suppress(TimeoutError):
            await eventually(is_deleted, 2.0)
        await some_looks(embedded)
        await until(lambda: len(embedded.entries("/web")) == 1)


# Leadership and the budget.


async def test_a_new_leader_with_a_late_watch_removes_nothing_of_the_old_ones(
    embedded: Setup,
) -> None:
    assert embedded.embedded is not None
    election = LeaderElection("default", "registrar", 30.0, 20.0, 0.2)
    shared = {"leader_election": election, "drift_interval_seconds": 3600.0}
    async with contextlib.AsyncExitStack() as second_life:
        async with embedded.registrar(**shared):
            embedded.embedded.faults.delay(8.0, method="watch", resource="clusterspiffeids")
            second = await second_life.enter_async_context(embedded.starting(**shared))
            await until(lambda: bool(second.port) and second.why_not_ready() is None)
            await embedded.apply("web")
            await embedded.until_ready("web")
        await until(lambda: second.first_pass_is_over)
        with contextlib.suppress(TimeoutError):
            await until(lambda: not embedded.entries("/web"), 1.0)
        assert len(embedded.entries("/web")) == 1


async def test_deletions_that_failed_do_not_use_up_the_budget(embedded: Setup) -> None:
    names = [f"n{number}" for number in range(10)]
    budget = DeletionBudget(count=3, fraction=0.1)
    async with embedded.registrar(deletion_budget=budget, drift_interval_seconds=3600.0):
        for name in names:
            await embedded.apply(name)
        for name in names:
            await embedded.until_ready(name)
        embedded.spire.faults.fail("BatchDeleteEntry")
        for name in names[:3]:
            calls = embedded.spire.calls["BatchDeleteEntry"]
            await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", name))
            with contextlib.suppress(TimeoutError):
                await until(lambda: embedded.spire.calls["BatchDeleteEntry"] > calls, 1.0)  # noqa: B023
        embedded.spire.faults.clear()
        alias = await embedded.alias()
        assert find_condition(alias.status.conditions, "DeletionsWithheld") is None
        await until(lambda: len(embedded.entries()) == 7)


async def test_a_withheld_mass_deletion_does_not_hold_a_refusal_up(embedded: Setup) -> None:
    names = [f"n{number}" for number in range(10)]
    budget = DeletionBudget(count=3, fraction=0.1)
    async with embedded.registrar(
        deletion_budget=budget, drift_interval_seconds=3600.0, pods=LABEL
    ):
        await embedded.create_pod("evil", spiffe="boss")
        for name in names:
            await embedded.apply(name)
        for name in names:
            await embedded.until_ready(name)
        await embedded.until_entries("/boss", 1)
        for name in names[:8]:
            await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", name))

        async def is_withheld() -> bool:
            alias = await embedded.alias()
            return find_condition(alias.status.conditions, "DeletionsWithheld") is not None

        await eventually(is_withheld)
        await embedded.apply("boss", **BOSS, admin=True)
        await until(lambda: [e.admin for e in embedded.entries("/boss")] == [True])


async def test_a_kind_that_is_removed_while_we_run_keeps_to_the_budget(embedded: Setup) -> None:
    names = [f"n{number}" for number in range(10)]
    budget = DeletionBudget(count=3, fraction=0.1)
    async with embedded.registrar(deletion_budget=budget, drift_interval_seconds=3600.0):
        for name in names:
            await embedded.apply(name)
        for name in names:
            await embedded.until_ready(name)
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        await embedded.client.delete(crds + CLUSTER_SPIFFE_ID.resource)

        async def is_withheld() -> bool:
            alias = await embedded.alias()
            return find_condition(alias.status.conditions, "DeletionsWithheld") is not None

        await eventually(is_withheld)
        assert len(embedded.entries()) >= 7


async def test_a_release_that_fails_is_tried_again_within_its_own_time(embedded: Setup) -> None:
    async with embedded.registrar(drift_interval_seconds=3600.0):
        await embedded.apply("web")
        await embedded.until_ready("web")
        await embedded.client.merge(
            CLUSTER_SPIFFE_ID.path("", "web"), {"metadata": {"finalizers": ["example.org/keep"]}}
        )
        await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
        # Not gone yet: somebody's finalizer holds it, so its entry works on.
        await embedded.until_ready("web")
        assert len(embedded.entries("/web")) == 1
        embedded.spire.faults.fail("BatchDeleteEntry", times=1)
        await embedded.client.merge(
            CLUSTER_SPIFFE_ID.path("", "web"), {"metadata": {"finalizers": None}}
        )
        await until(lambda: not embedded.entries("/web"))
