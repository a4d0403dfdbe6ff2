"""No error removes an identity: what is wrong or cannot be read at a start is not absent."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.kinds import (
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIFFE_ID,
    SPIRE_ENTRY,
    Kind,
)
from api.meta import KubeObject
from manager.process import Process
from registrar.settings.model import ControllerManager, CRDMode
from tests.support.controllermanager import Manager
from tests.support.setup import Setup, eventually, some_looks, until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
async def manager(embedded: Setup) -> Manager:
    """The kinds are the test's own to change, so the servers are."""
    return Manager(embedded)


async def serve(manager: Manager, kind: Kind[KubeObject], *, served: bool) -> None:
    """Serve the version of a kind, or no more."""
    document = next(crd(custom) for custom in CUSTOM_KINDS if custom.kind.resource == kind.resource)
    spec = document["spec"]
    assert isinstance(spec, dict)
    for version in spec["versions"]:  # type: ignore[union-attr]
        version["served"] = served  # type: ignore[index, call-overload]
    await manager.client.apply(document)

    async def is_so() -> bool:
        try:
            await manager.client.get(kind.path())
        except RuntimeError:
            return not served
        return served

    await eventually(is_so)


async def loosen(manager: Manager, kind: Kind[KubeObject]) -> None:
    """Let the API server take any spec, as it does after a downgrade of the CRD."""
    document = next(crd(custom) for custom in CUSTOM_KINDS if custom.kind.resource == kind.resource)
    spec = document["spec"]
    assert isinstance(spec, dict)
    for version in spec["versions"]:  # type: ignore[union-attr]
        loose: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["schema"]["openAPIV3Schema"] = loose  # type: ignore[index, call-overload]
    await manager.client.apply(document)


async def no_records(manager: Manager, why: str) -> None:
    """Take the SpireEntries away: not installed, or not allowed to be read."""
    if why == "missing":
        await manager.client.delete(f"{CRDS}/{SPIRE_ENTRY.resource}")
    elif why == "forbidden":
        assert manager.setup.embedded is not None
        manager.setup.embedded.faults.fail(None, 403, resource="spireentries")


RECORDS = pytest.mark.parametrize("records", ["recorded", "missing", "forbidden"])


async def until_recorded(manager: Manager, records: str, number: int) -> None:
    """Wait for the records, where there are any."""
    if records != "recorded":
        return

    async def are_there() -> bool:
        found = await manager.setup.spire_entries()
        return [bool(entry.status.entry_id) for entry in found] == [True] * number

    await eventually(are_there)


def crd_mode(manager: Manager) -> AbstractAsyncContextManager[Process]:
    """Crd mode, which is to run in the Namespace that the environment names."""
    return manager.setup.registrar(workload_registrar=CRDMode(), pods=None)


async def write_spiffe_id(manager: Manager, name: str, namespace: str, spiffe_id: str) -> None:
    spec: JSONObject = {
        "spiffeId": spiffe_id,
        "parentId": "spiffe://example.org/spire/server",
        "selector": {"namespace": namespace},
    }
    metadata: JSONObject = {"name": name, "namespace": namespace}
    await manager.client.apply(
        {
            "apiVersion": SPIFFE_ID.api_version,
            "kind": SPIFFE_ID.kind,
            "metadata": metadata,
            "spec": spec,
        }
    )


@RECORDS
async def test_a_kind_that_is_not_served_at_a_restart_is_not_one_without_objects(
    manager: Manager, records: str
) -> None:
    await no_records(manager, records)
    await manager.node()
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/p/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.static_entry("one")
        await manager.static_entry("boss", admin=True)
        await manager.static_entry("old")
        await manager.until_paths("/p/a", "/static/one", "/static/boss", "/static/old")
        await until_recorded(manager, records, 4)
    await manager.delete(CLUSTER_STATIC_ENTRY, "old")
    await serve(manager, CLUSTER_STATIC_ENTRY, served=False)
    await serve(manager, CLUSTER_SPIFFEID, served=False)
    async with manager.running():
        await some_looks(manager.setup)
        assert manager.paths() == ["/p/a", "/static/boss", "/static/old", "/static/one"]
        await serve(manager, CLUSTER_STATIC_ENTRY, served=True)
        await serve(manager, CLUSTER_SPIFFEID, served=True)
        await manager.until_paths("/p/a", "/static/boss", "/static/one")
        await some_looks(manager.setup)
        assert manager.paths() == ["/p/a", "/static/boss", "/static/one"]


async def test_what_is_recorded_for_another_kind_is_not_held_for_one_that_is_missing(
    manager: Manager,
) -> None:
    await manager.node()
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/p/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.pod("b")
        await manager.static_entry("one")
        await manager.until_paths("/p/a", "/p/b", "/static/one")
        await until_recorded(manager, "recorded", 3)
    await manager.delete_pod("b")
    await serve(manager, CLUSTER_STATIC_ENTRY, served=False)
    async with manager.running():
        await manager.until_paths("/p/a", "/static/one")


@RECORDS
async def test_an_invalid_static_entry_keeps_its_entry_over_a_restart(
    manager: Manager, records: str
) -> None:
    await no_records(manager, records)
    async with manager.running():
        await manager.static_entry("one")
        await manager.static_entry("two")
        await manager.until_paths("/static/one", "/static/two")
        await until_recorded(manager, records, 2)
    await manager.static_entry("one", spiffeID="spiffe://other.test/x")
    async with manager.running():
        await some_looks(manager.setup)
        assert manager.paths() == ["/static/one", "/static/two"]
        await manager.delete(CLUSTER_STATIC_ENTRY, "two")
        await manager.until_paths("/static/one")
        await manager.static_entry("one", spiffeID="/corrected")
        await manager.until_paths("/corrected")


@RECORDS
async def test_a_static_entry_that_no_longer_decodes_keeps_its_entry_over_a_restart(
    manager: Manager, records: str
) -> None:
    await no_records(manager, records)
    async with manager.running():
        await manager.static_entry("one", admin=True)
        await manager.until_paths("/static/one")
        await until_recorded(manager, records, 1)
    await loosen(manager, CLUSTER_STATIC_ENTRY)
    path = CLUSTER_STATIC_ENTRY.path("", "one")
    await manager.client.merge(path, {"spec": {"selectors": "unix:uid:0"}})
    async with manager.running():
        await some_looks(manager.setup)
        assert manager.paths() == ["/static/one"]
        await manager.client.delete(path)
        await manager.until_paths()


@RECORDS
async def test_a_key_that_was_edited_while_nobody_looked_is_set_before_the_old_one_goes(
    manager: Manager, records: str
) -> None:
    await no_records(manager, records)
    async with manager.running():
        await manager.static_entry("one")
        await manager.until_paths("/static/one")
        await until_recorded(manager, records, 1)
    await manager.static_entry("one", spiffeID="/new")
    manager.spire.faults.fail("BatchCreateEntry", times=None)
    async with manager.running():
        await some_looks(manager.setup)
        assert manager.paths() == ["/static/one"]
        manager.spire.faults.clear()
        await manager.until_paths("/new")


async def had_and_lost(manager: Manager) -> None:
    """A SpiffeID has its entry, and is deleted while no registrar runs."""
    async with crd_mode(manager):
        await write_spiffe_id(manager, "one", "default", "spiffe://example.org/one")
        await manager.until_paths("/one")
        await until_recorded(manager, "recorded", 1)
    await manager.client.delete(SPIFFE_ID.path("default", "one"))


async def test_a_right_object_takes_over_from_one_that_had_its_name_once_its_entry_is_set(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")

    await had_and_lost(manager)
    await write_spiffe_id(manager, "one", "default", "spiffe://example.org/new")
    manager.spire.faults.fail("BatchCreateEntry", times=None)
    async with crd_mode(manager):
        await some_looks(manager.setup)
        assert manager.paths() == ["/one"]
        manager.spire.faults.clear()
        await manager.until_paths("/new")


@RECORDS
async def test_an_invalid_spiffe_id_keeps_its_entry_over_a_restart_and_others_go(
    manager: Manager, records: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    await no_records(manager, records)
    await manager.namespace("shop")

    async with crd_mode(manager):
        await write_spiffe_id(manager, "one", "default", "spiffe://example.org/one")
        await write_spiffe_id(manager, "two", "shop", "spiffe://example.org/two")
        await manager.until_paths("/one", "/two")
        await until_recorded(manager, records, 2)
    await write_spiffe_id(manager, "one", "default", "spiffe://other.test/x")
    await manager.client.delete(SPIFFE_ID.path("shop", "two"))
    async with crd_mode(manager):
        # What is wrong in one namespace holds nothing in another.
        await manager.until_paths("/one")
        await some_looks(manager.setup)
        assert manager.paths() == ["/one"]
        await write_spiffe_id(manager, "one", "default", "spiffe://example.org/right")
        await manager.until_paths("/right")


async def test_a_wrong_object_has_nothing_of_one_that_had_its_name_while_nobody_looked(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")

    await had_and_lost(manager)
    await write_spiffe_id(manager, "one", "default", "spiffe://other.test/x")
    async with crd_mode(manager):
        await manager.until_paths()


@pytest.mark.parametrize("fault", ["missing", "forbidden"])
@pytest.mark.parametrize("mode", ["crd", "controller manager"])
async def test_the_kind_of_a_mode_that_cannot_be_read_is_said_and_removes_nothing(
    manager: Manager, mode: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    settings: dict[str, object] = {"controller_manager": ControllerManager()}
    kind: Kind[KubeObject] = CLUSTER_STATIC_ENTRY
    if mode == "crd":
        kind, settings = SPIFFE_ID, {"workload_registrar": CRDMode()}
    setup = manager.setup
    async with setup.registrar(**settings):
        if mode == "crd":
            await write_spiffe_id(manager, "one", "default", "spiffe://example.org/one")
            await manager.until_paths("/one")
        else:
            await manager.static_entry("one", spiffeID="/one")
            await manager.until_paths("/one")
    assert setup.embedded is not None
    if fault == "missing":
        await serve(manager, kind, served=False)
    else:
        plural = kind.resource.partition(".")[0]
        setup.embedded.faults.fail(None, 403, method="list", resource=plural)
    async with setup.starting(**settings) as process:
        if mode == "controller manager":
            await until(lambda: process.first_pass_is_over)
        else:
            await until(lambda: kind.resource in (process.why_not_ready() or ""))
        await asyncio.sleep(0)
        assert manager.paths() == ["/one"]
        setup.embedded.faults.clear()
        await serve(manager, kind, served=True)
        await until(lambda: process.why_not_ready() is None)
        assert manager.paths() == ["/one"]
        await manager.client.delete(kind.path("default" if mode == "crd" else "", "one"))
        await manager.until_paths()


@pytest.mark.story
async def test_what_a_missing_kind_asked_for_outlives_a_restart(setup: Setup) -> None:
    manager = Manager(setup)
    await manager.node()
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/p/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.static_entry("one")
        await manager.static_entry("boss", admin=True)
        await manager.until_paths("/p/a", "/static/boss", "/static/one")
    try:
        await serve(manager, CLUSTER_STATIC_ENTRY, served=False)
        async with manager.running():
            await manager.pod("b")
            await manager.until_paths("/p/a", "/p/b", "/static/boss", "/static/one")
            await manager.delete_pod("a")
            # What is known to be gone is released meanwhile.
            await manager.until_paths("/p/b", "/static/boss", "/static/one")
            await serve(manager, CLUSTER_STATIC_ENTRY, served=True)
            await manager.delete(CLUSTER_STATIC_ENTRY, "one")
            await manager.until_paths("/p/b", "/static/boss")
    finally:
        await serve(manager, CLUSTER_STATIC_ENTRY, served=True)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [(CLUSTER_STATIC_ENTRY, "/static/one"), (CLUSTER_SPIFFEID, "/p/a")],
    ids=["static entries", "templates"],
)
async def test_a_kind_that_may_not_be_read_at_a_start_stops_no_other_and_its_right_is_named(
    manager: Manager, kind: Kind[KubeObject], kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    await manager.node()
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/p/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.static_entry("one")
        await manager.until_paths("/p/a", "/static/one")
        await until_recorded(manager, "recorded", 2)
    faults = manager.setup.embedded.faults if manager.setup.embedded is not None else None
    assert faults is not None
    faults.fail(None, 403, resource=kind.resource)
    caplog.clear()
    async with manager.running() as process:
        if kind is CLUSTER_STATIC_ENTRY:
            await manager.pod("b")
            await manager.until_paths("/p/a", "/p/b", "/static/one")
        else:
            await manager.static_entry("two")
            await manager.until_paths("/p/a", "/static/one", "/static/two")
        await some_looks(manager.setup)
        assert kept in manager.paths()
        assert process.why_not_ready() is None
        remedies = [getattr(record, "kv", {}).get("remedy", "") for record in caplog.records]
        assert any(f"list and watch on {kind.resource}" in remedy for remedy in remedies)
        faults.clear()
        await manager.delete(kind, "one" if kind is CLUSTER_STATIC_ENTRY else "all")
        await until(lambda: kept not in manager.paths())
