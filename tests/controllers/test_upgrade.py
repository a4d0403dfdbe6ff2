"""What earlier versions made goes on under the prefixes of this one: no entry is missed."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY
from api.spiffeid.v1beta1.spireentry import INSTANCE_LABEL
from registrar.claims.instance import Instance
from registrar.settings.model import CRDMode, PodIdentity, ReconcileMode
from tests.controllers.test_crd_mode import OWN, Declared
from tests.support.controllermanager import Manager
from tests.support.earlier import all_records, make_earlier, none_missing, until_recorded
from tests.support.podwebhook import Asked, review
from tests.support.setup import Setup, eventually, some_looks, until
from tests.support.workload import Workload


@pytest.fixture(autouse=True)
def _own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", OWN)


def ids(setup: Setup) -> set[str]:
    """The IDs of all entries."""
    return {entry.id for entry in setup.all_entries()}


async def made_by_both(setup: Setup, manager: Manager) -> None:
    """Let both modes make an entry or two, and end."""
    await manager.node()
    async with setup.registrar(), manager.running():
        await setup.apply("web")
        await setup.apply("gone")
        await manager.template("all")
        await manager.static_entry("gone")
        await manager.static_entry("build")
        await manager.pod("app", labels={"app": "web"})
        await setup.until_ready("web")
        await manager.until_paths(
            "/web", "/gone", "/static/gone", "/static/build", "/ns/default/sa/default"
        )
        await until_recorded(setup, lambda: ids(setup))


@pytest.mark.story
async def test_two_modes_take_over_what_each_of_them_claims(setup: Setup) -> None:
    manager = Manager(setup)
    await made_by_both(setup, manager)
    await make_earlier(setup)
    async with none_missing(setup):
        async with setup.registrar():
            # The other one is upgraded later: what it had is not ours.
            await until_taken_over(setup, "spire-registrar.layered", 3)
        async with manager.running(), setup.registrar():
            await until_recorded(setup, lambda: ids(setup))
            await setup.until_ready("web")
    await setup.client.delete(CLUSTER_SPIFFE_ID.path("", "gone"))
    async with setup.registrar(), manager.running():
        # Gone while nobody looked: the record told whose it was.
        await manager.until_paths("/web", "/static/gone", "/static/build", "/ns/default/sa/default")
        await manager.client.delete("/apis/spire.spiffe.io/v1alpha1/clusterstaticentries/gone")
        await manager.until_paths("/web", "/static/build", "/ns/default/sa/default")
        await until_recorded(setup, lambda: ids(setup))


async def until_taken_over(setup: Setup, label: str, number: int) -> None:
    """Wait until that many records are those of this version, and others are as they were."""

    async def are_taken_over() -> bool:
        labels = [r.metadata.labels.get(INSTANCE_LABEL, "") for r in await all_records(setup)]
        return labels.count(label) == number and labels.count("") == len(labels) - number

    await eventually(are_taken_over)


async def test_a_pod_that_went_during_the_upgrade_loses_its_entry(embedded: Setup) -> None:
    manager = Manager(embedded)
    await made_by_both(embedded, manager)
    await make_earlier(embedded)
    await manager.delete_pod("app")
    async with embedded.registrar():
        await some_looks(embedded)
        assert len(embedded.entries("/ns/default/sa/default")) == 1
        async with manager.running():
            await embedded.until_entries("/ns/default/sa/default", 0)


async def test_an_owner_that_went_during_the_upgrade_leaves_its_entry_and_that_is_said(
    embedded: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(embedded)
    await made_by_both(embedded, manager)
    await make_earlier(embedded)
    # The garbage collector takes the record along, and with it what told whose the entry is.
    await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "gone"))
    (gone,) = embedded.entries("/gone")

    def said() -> list[object]:
        found = [r for r in caplog.records if "they stay" in r.getMessage()]
        return [getattr(r, "kv", r.__dict__) for r in found]

    async with manager.running(), embedded.registrar():
        await until(lambda: bool(said()))
        await some_looks(embedded)
        assert embedded.entries("/gone") == [gone]
    assert any(gone.id in str(each) for each in said())


async def test_without_records_what_is_claimed_goes_on_and_the_rest_stays(embedded: Setup) -> None:
    manager = Manager(embedded)
    await made_by_both(embedded, manager)
    await make_earlier(embedded, with_records=False)
    await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "gone"))
    async with none_missing(embedded), embedded.registrar(), manager.running():
        await some_looks(embedded)
        # Nobody can tell whose /gone is; everything else is recorded anew.
        rest = ids(embedded) - {entry.id for entry in embedded.entries("/gone")}
        await until_recorded(embedded, lambda: rest)
        await manager.static_entry("build", hint="h")
        await until(lambda: [e.hint for e in embedded.entries("/static/build")] == ["h"])


@pytest.mark.parametrize("class_name", ["", "blue", "layered"])
async def test_a_class_takes_over_what_it_had(embedded: Setup, class_name: str) -> None:
    async with embedded.registrar(class_name=class_name):
        await embedded.apply("web", className=class_name)
        await embedded.until_ready("web")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded, class_name=class_name)
    async with none_missing(embedded), embedded.registrar(class_name=class_name):
        # The record of the earlier version goes with its owner; ours outlives it.
        await until_taken_over(embedded, Instance("layered", class_name).label, len(ids(embedded)))
    await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
    async with embedded.registrar(class_name=class_name):
        await embedded.until_entries("/web", 0)


async def test_a_configured_prefix_stays_and_its_records_are_renewed(embedded: Setup) -> None:
    mine = {"entry_id_prefix": "mine"}
    async with embedded.registrar(**mine):
        await embedded.apply("web")
        await embedded.until_ready("web")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded, prefix="mine")
    before = ids(embedded)
    writes = embedded.spire.writes.total()
    async with none_missing(embedded), embedded.registrar(**mine):
        await until_recorded(embedded, lambda: before)
        await some_looks(embedded)
        assert embedded.spire.writes.total() == writes
    await embedded.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
    async with embedded.registrar(**mine):
        await embedded.until_entries("/web", 0)


@contextlib.asynccontextmanager
async def workload_mode(words: Workload, mode: object) -> AsyncIterator[None]:
    """Run a mode of the workload registrar."""
    identity = PodIdentity("template" if isinstance(mode, CRDMode) else "service_account")
    async with words.setup.registrar(workload_registrar=mode, pods=identity):
        yield


async def test_reconcile_and_crd_mode_take_over_what_each_of_them_claims(embedded: Setup) -> None:
    words = Declared(embedded)
    await words.node()
    await words.namespace(OWN)
    modes = (ReconcileMode(), CRDMode(namespaced_downstream=True))
    await words.pod("web-0")
    async with workload_mode(words, modes[0]), workload_mode(words, modes[1]):
        await words.spiffe_id("db", spiffeId="spiffe://example.org/db", downstream=True)
        await until(lambda: len(embedded.all_entries()) == 5)
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded, workload=True)
    async with none_missing(embedded):
        for mode in modes:
            async with workload_mode(words, mode):
                await some_looks(embedded)
        async with workload_mode(words, modes[0]), workload_mode(words, modes[1]):
            await until_recorded(embedded, lambda: ids(embedded))
    await words.delete_pod("web-0")
    async with workload_mode(words, modes[0]), workload_mode(words, modes[1]):
        await until(lambda: len(embedded.all_entries()) == 3)


async def test_a_privileged_entry_of_a_namespace_is_taken_over_without_its_record(
    embedded: Setup,
) -> None:
    words = Declared(embedded)
    async with workload_mode(words, CRDMode()):
        await words.spiffe_id("db", spiffeId="spiffe://example.org/db", downstream=True)
        await words.until_ready("db")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded, workload=True, with_records=False)
    async with none_missing(embedded), workload_mode(words, CRDMode()):
        await some_looks(embedded)
        await words.until_ready("db")
        await until_recorded(embedded, lambda: ids(embedded))


async def test_webhook_mode_without_any_right_goes_on_with_what_it_made(
    embedded: Setup, tmp_path: Path
) -> None:
    assert embedded.embedded is not None
    faults = embedded.embedded.faults

    def forbid_all() -> None:
        for resource in ("pods", "namespaces", "spireentries"):
            faults.fail(None, status=403, method="list", resource=resource)

    forbid_all()
    cluster, folders = Asked(embedded), (tmp_path / "1", tmp_path / "2")
    for folder in folders:
        folder.mkdir()
    async with cluster.mode(folders[0]):
        for name in ("a", "b"):
            await cluster.ask(review("CREATE", name))
        await until(lambda: len(embedded.all_entries()) == 3)
    faults.clear()
    await make_earlier(embedded, workload=True, with_records=False)
    forbid_all()
    async with cluster.mode(folders[1]):
        async with none_missing(embedded):
            await cluster.ready()
            await some_looks(embedded)
        await cluster.ask(review("DELETE", "a"))
        await until(lambda: len(embedded.all_entries()) == 2)


async def test_a_template_that_breaks_during_the_upgrade_keeps_what_it_made(
    embedded: Setup,
) -> None:
    manager = Manager(embedded)
    await manager.node()
    async with manager.running():
        await manager.template("all")
        await manager.pod("app")
        await manager.until_paths("/ns/default/sa/default")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded)
    await manager.template("all", spiffeIDTemplate="spiffe://other.test/x")
    async with none_missing(embedded), manager.running():
        await manager.until_condition("all", "Ready", "other.test")
        await some_looks(embedded)


async def test_an_object_that_changed_during_the_upgrade_loses_its_old_entry(
    embedded: Setup,
) -> None:
    async with embedded.registrar():
        await embedded.apply("web")
        await embedded.until_ready("web")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded)
    await embedded.apply("web", spiffeId="spiffe://example.org/new")
    async with embedded.registrar():
        await embedded.until_entries("/new", 1)
        await embedded.until_entries("/web", 0)
        await until_recorded(embedded, lambda: ids(embedded))


async def test_what_another_registrar_took_over_is_not_taken_from_it(embedded: Setup) -> None:
    manager = Manager(embedded)
    async with manager.running():
        await manager.static_entry(
            "web",
            spiffeID="spiffe://example.org/web",
            parentID="spiffe://example.org/spire-k8s-operator/test/node",
            selectors=["k8s:pod-label:app:web"],
        )
        await manager.until_paths("/web")
        await until_recorded(embedded, lambda: ids(embedded))
    await make_earlier(embedded)
    async with manager.running():
        before = {r.status.entry_id for r in await until_recorded(embedded, lambda: ids(embedded))}
        async with embedded.registrar():
            await embedded.apply("web")
            await embedded.until_ready("web", "False")
            ready = await embedded.condition("web")
            assert ready is not None
            assert (ready.reason, before <= ids(embedded)) == ("EntryExists", True)


async def test_a_record_by_hand_is_removed_and_one_of_another_instance_is_not(
    setup: Setup,
) -> None:
    spec = {"spiffeId": "spiffe://example.org/x", "parentId": "spiffe://example.org/y"}
    for name, labels in (("by-hand", {}), ("anothers", {INSTANCE_LABEL: "other"})):
        await setup.client.create(
            SPIRE_ENTRY.path(),
            {
                "apiVersion": SPIRE_ENTRY.api_version,
                "kind": SPIRE_ENTRY.kind,
                "metadata": {"name": name, "labels": {**labels}},
                "spec": {**spec, "selectors": ["unix:uid:0"]},
            },
        )
    async with setup.registrar():

        async def is_removed() -> bool:
            return "by-hand" not in {r.metadata.name for r in await all_records(setup)}

        await eventually(is_removed)
        assert "anothers" in {r.metadata.name for r in await all_records(setup)}
