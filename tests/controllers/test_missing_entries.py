"""No condition says that the SPIRE server holds an entry when it does not."""

import contextlib
from collections.abc import Iterator

import grpc
import pytest

from api.kinds import CLUSTER_STATIC_ENTRY
from api.meta import Condition, find_condition
from api.proto.types_pb2 import Entry
from devcluster.spire.faults import Faults
from registrar.settings.model import PodIdentity
from tests.support.controllermanager import Manager
from tests.support.earlier import all_records
from tests.support.setup import Setup, eventually, until


@contextlib.contextmanager
def no_creation(faults: Faults, how: str) -> Iterator[None]:
    """Let nothing be created until the block ends."""
    if how == "held":
        with faults.held("BatchCreateEntry"):
            yield
        return
    if how == "unavailable":
        faults.fail("BatchCreateEntry")
    else:
        faults.fail_entry(lambda _: True, code=grpc.StatusCode.INVALID_ARGUMENT)
    yield
    faults.clear()


def delete(setup: Setup, path: str) -> None:
    """Delete an entry as somebody else would."""
    (entry,) = setup.entries(path)
    setup.spire.state.delete(entry.id)


async def record_of(setup: Setup, entry: Entry) -> Condition | None:
    """The Ready condition of the record of an entry."""
    for record in await all_records(setup):
        if record.status.entry_id == entry.id:
            return find_condition(record.status.conditions, "Ready")
    return None


HOW = pytest.mark.parametrize("how", ["held", "unavailable", "refused"])


@HOW
@pytest.mark.slow
async def test_a_lost_entry_is_not_called_set_by_its_object_and_its_record(
    setup: Setup, how: str
) -> None:
    async with setup.registrar():
        await setup.apply("web")
        await setup.until_ready("web")
        (entry,) = setup.entries("/web")

        async def is_said(status: str) -> bool:
            ready, recorded = await setup.condition("web"), await record_of(setup, entry)
            return {c.status for c in (ready, recorded) if c is not None} == {status}

        with no_creation(setup.spire.faults, how):
            delete(setup, "/web")
            await eventually(lambda: is_said("False"))
            assert not setup.entries("/web")
        if how != "refused":
            await eventually(lambda: is_said("True"))
            assert len(setup.entries("/web")) == 1


@HOW
@pytest.mark.slow
async def test_a_lost_entry_is_not_counted_as_set_by_its_template(setup: Setup, how: str) -> None:
    manager = Manager(setup)
    await manager.node()
    async with manager.running():
        await manager.template("all")
        await manager.static_entry("build")
        await manager.pod("app")
        await manager.until_paths("/ns/default/sa/default", "/static/build")
        await manager.until_condition("all", "Ready", "1 entries for 1 Pods")

        async def is_said(status: str) -> bool:
            static = await manager.get_static_entry("build")
            template = await manager.get_template("all")
            found = [find_condition(each.status.conditions, "Ready") for each in (static, template)]
            return {c.status for c in found if c is not None} == {status}

        await eventually(lambda: is_said("True"))
        with no_creation(setup.spire.faults, how):
            delete(setup, "/ns/default/sa/default")
            delete(setup, "/static/build")
            await eventually(lambda: is_said("False"))
            await manager.until_condition("all", "Ready", "1 entries are not set")
            failures = (await manager.get_template("all")).status.stats.entry_failures
            assert failures == (0 if how == "held" else 1)
            static = await manager.client.get(CLUSTER_STATIC_ENTRY.path("", "build"))
            assert isinstance(static["status"], dict)
            assert not static["status"].get("set")
        if how != "refused":
            await eventually(lambda: is_said("True"))


async def test_a_pod_whose_entry_is_lost_and_refused_is_not_ready(embedded: Setup) -> None:
    async with embedded.registrar(pods=PodIdentity("label", "spiffe")):
        await embedded.create_pod("web-0", spiffe="web")
        await embedded.until_entries("/web", 1)

        async def ready() -> list[str]:
            found = [
                find_condition(o.status.conditions, "Ready")
                for o in await embedded.cluster_spiffe_ids()
            ]
            return [condition.status for condition in found if condition is not None]

        async def is_true() -> bool:
            return await ready() == ["True"]

        async def is_false() -> bool:
            return await ready() == ["False"]

        await eventually(is_true)
        delete(embedded, "/web")
        # The ID is an administrator's by the time that the entry is missed.
        boss = Entry(id="boss", admin=True)
        boss.spiffe_id.trust_domain, boss.spiffe_id.path = "example.org", "/web"
        boss.parent_id.trust_domain, boss.parent_id.path = "example.org", "/agent"
        boss.selectors.add(type="unix", value="uid:0")
        embedded.spire.state.put(boss)
        await eventually(is_false)
        embedded.spire.state.delete("boss")
        await until(lambda: len(embedded.entries("/web")) == 1)
        await eventually(is_true)
