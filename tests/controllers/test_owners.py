"""Several registrars on one SPIRE server and one API server: each leaves the others' alone."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID, LEASE
from api.meta import find_condition
from api.spiffeid.v1beta1.spireentry import INSTANCE_LABEL
from devcluster.client import NotFound
from manager.names import OWNERS_NAMESPACE
from manager.prefixowner import HELD_BY_ANNOTATION
from manager.process import Process
from registrar.claims.ownership import owner_lease
from registrar.settings.model import ControllerManager, LeaderElection
from tests.support.controllermanager import Manager
from tests.support.earlier import all_records, none_missing, until_recorded
from tests.support.setup import Setup, eventually, some_looks, until

SHORT = (6.0, 4.5, 0.1)
"""Of a Lease: seconds that it lasts, to renew it in, and between attempts."""


def election(name: str, times: tuple[float, float, float] = (30.0, 20.0, 0.1)) -> LeaderElection:
    """Leader election by the Lease of that name."""
    return LeaderElection("default", name, *times)


def lease_path(prefix: str) -> str:
    return LEASE.path(OWNERS_NAMESPACE, owner_lease(prefix))


def prefix_of(setup: Setup) -> str:
    """The prefix of the entries on the server, of which there must be one."""
    (prefix,) = {entry.id.partition(".")[0] for entry in setup.all_entries()}
    return prefix


async def hold(setup: Setup, prefix: str, who: str, seconds: int, words: str = "") -> None:
    """Let somebody else hold a prefix, who does not renew it."""
    lease: JSONObject = {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {
            "name": owner_lease(prefix),
            "namespace": OWNERS_NAMESPACE,
            "annotations": {HELD_BY_ANNOTATION: words},
        },
        "spec": {
            "holderIdentity": who,
            "leaseDurationSeconds": seconds,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }
    with contextlib.suppress(NotFound):
        await setup.client.delete(lease_path(prefix))
    await setup.client.create(LEASE.path(OWNERS_NAMESPACE), lease)


@contextlib.asynccontextmanager
async def held(setup: Setup, prefix: str, who: str, seconds: int = 3600) -> AsyncIterator[None]:
    """Let somebody else hold a prefix until the block ends."""
    await hold(setup, prefix, who, seconds)
    try:
        yield
    finally:
        with contextlib.suppress(NotFound):
            await setup.client.delete(lease_path(prefix))


async def probe(process: Process, path: str) -> str:
    """What the process answers at its address, whatever the status."""
    url = f"http://127.0.0.1:{process.port}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return await reply.text()


async def state(process: Process) -> list[str]:
    """The states of the prefix that the metric shows."""
    lines = (await probe(process, "metrics")).splitlines()
    shown = [line for line in lines if line.startswith("spire_registrar_prefix_state")]
    assert len(shown) == 3
    return [line for line in shown if line.endswith(" 1.0")]


async def until_refused(process: Process, who: str = "") -> None:
    """Wait until a registrar says that another holds its prefix."""
    try:
        await until(lambda: f"is held by {who}" in (process.why_not_ready() or ""))
    except TimeoutError:
        raise AssertionError(process.why_not_ready()) from None


@pytest.mark.story
async def test_two_modes_with_one_cluster_name_leave_each_other_alone(setup: Setup) -> None:
    manager = Manager(setup)
    await manager.node()
    async with (
        setup.registrar(cluster="demo-cluster"),
        manager.running(settings_cluster="demo-cluster") as other,
    ):
        await setup.apply("web")
        await manager.template("all")
        await manager.static_entry("build")
        await manager.pod("app", labels={"app": "web"})
        await setup.until_ready("web")
        await manager.until_paths("/web", "/static/build", "/ns/default/sa/default")
        ids = {entry.id for entry in setup.all_entries()}
        records = await until_recorded(setup, lambda: ids)
        assert len({record.metadata.labels[INSTANCE_LABEL] for record in records}) == 2
        async with none_missing(setup):
            before = setup.entries("/web")
            for number in range(3):
                # Both look at all entries at least once between two changes.
                await setup.apply("other", ttl=60 + number)
                await setup.until_ready("other")
                await manager.static_entry("other", hint=f"h{number}")
                await until(
                    lambda: [e.hint for e in setup.entries("/static/other")] == [f"h{number}"]  # noqa: B023
                )
            assert setup.entries("/web") == before
        assert {record.metadata.name for record in records} <= {
            record.metadata.name for record in await all_records(setup)
        }
        assert other.why_not_ready() is None
        for record in records:
            assert not await setup.events("SpireEntry", record.metadata.name)


@pytest.mark.story
async def test_a_second_one_of_the_same_prefix_writes_nothing_and_says_who_holds_it(
    setup: Setup,
) -> None:
    async with contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(setup.registrar(leader_election=election("one")))
        await setup.apply("web")
        await setup.until_ready("web")
        entries, records = setup.all_entries(), await all_records(setup)
        async with setup.starting(leader_election=election("two")) as two:
            await until_refused(two)
            assert await state(one) == ['spire_registrar_prefix_state{state="held"} 1.0']
            assert await state(two) == ['spire_registrar_prefix_state{state="held-by-another"} 1.0']
            said = await probe(two, "readyz")
            assert "[-] prefix: " in said
            assert "layered mode, leader by the Lease default/one" in said
            assert (await probe(one, "readyz")).endswith("ok\n")
            await setup.apply("later")
            await setup.until_ready("later")
            assert all(entry in setup.all_entries() for entry in entries)
            names = {record.metadata.name for record in records}
            assert names <= {record.metadata.name for record in await all_records(setup)}

            async def is_reported() -> bool:
                found = await setup.events("Lease", owner_lease(prefix_of(setup)))
                return any(e.reason == "PrefixHeld" and "default/two" in e.message for e in found)

            await eventually(is_reported)
            # It takes over when the first one stops.
            async with none_missing(setup):
                await first.aclose()
                await until(lambda: two.first_pass_is_over)
                assert two.why_not_ready() is None
            await setup.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
            await setup.until_entries("/web", 0)


async def test_without_leader_election_there_is_one_owner_too(setup: Setup) -> None:
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(setup.registrar())
        async with setup.starting() as two:
            await until_refused(two)
            await setup.apply("web")
            await setup.until_ready("web")
            await first.aclose()
            await until(lambda: two.first_pass_is_over)


async def test_a_configured_prefix_has_one_owner_whatever_its_mode(setup: Setup) -> None:
    manager, mine = Manager(setup), {"entry_id_prefix": "Mine_1"}
    await manager.node()
    async with manager.running(settings_entry_id_prefix="Mine_1"):
        await manager.static_entry("build")
        await manager.template("all")
        await manager.pod("app")
        await manager.until_paths("/static/build", "/ns/default/sa/default")
        await manager.until_condition("all", "Ready", "1 entries for 1 Pods")

        async def said() -> set[str]:
            template = (await manager.get_template("all")).status.conditions
            static = (await manager.get_static_entry("build")).status.conditions
            records = [record.status.conditions for record in await all_records(setup)]
            found = [find_condition(each, "Ready") for each in (template, static, *records)]
            return {"" if each is None else each.reason for each in found}

        async def is_set() -> bool:
            return await said() == {"EntrySet", "EntriesSet"}

        await eventually(is_set)
    async with contextlib.AsyncExitStack() as first:
        # The other one had the prefix in the meantime.
        one = await first.enter_async_context(setup.starting(**mine))
        await until(one.is_leading)
        await setup.apply("web")
        await setup.until_ready("web")
        async with setup.starting(**mine, controller_manager=ControllerManager()) as two:
            await until_refused(two)

            async def says_why() -> bool:
                return await said() == {"PrefixHeld", "EntrySet"}

            # What the registrar that works says of its own is its own business.
            await eventually(says_why)
            await setup.until_ready("web")
            ready = find_condition((await manager.get_template("all")).status.conditions, "Ready")
            assert ready is not None
            assert "layered mode" in ready.message
            await first.aclose()
            await until(lambda: two.first_pass_is_over)
            await manager.until_paths("/static/build", "/ns/default/sa/default")
            await manager.until_condition("all", "Ready", "1 entries for 1 Pods")


async def test_configured_prefixes_that_differ_do_not_share_records(embedded: Setup) -> None:
    async with embedded.registrar(entry_id_prefix="one"):
        await embedded.apply("web")
        await embedded.until_ready("web")
        before = await until_recorded(
            embedded, lambda: {entry.id for entry in embedded.all_entries()}
        )
        async with embedded.registrar(entry_id_prefix="two", class_name=""):
            await some_looks(embedded)
            after = {record.metadata.name: record for record in await all_records(embedded)}
            for record in before:
                assert after[record.metadata.name].status.entry_id == record.status.entry_id


async def test_a_holder_that_died_is_waited_for_until_its_lease_is_over(setup: Setup) -> None:
    async with setup.registrar(leader_election=election("one")):
        await setup.apply("web")
        await setup.until_ready("web")
    prefix = prefix_of(setup)
    await hold(setup, prefix, "dead_1", 1, "layered mode, in another place")
    async with setup.starting(leader_election=election("two", SHORT)) as two:
        await until_refused(two, "dead_1 (layered mode, in another place)")
        await until(lambda: two.first_pass_is_over)


async def test_the_next_leader_by_the_same_lease_does_not_wait_for_the_prefix(
    setup: Setup,
) -> None:
    async with setup.registrar(leader_election=election("one")):
        await setup.apply("web")
        await setup.until_ready("web")
    words = "layered mode, leader by the Lease default/one"
    await hold(setup, prefix_of(setup), "dead_1", 3600, words)
    async with setup.registrar(leader_election=election("one")):
        await setup.apply("later")
        await setup.until_ready("later")


async def test_who_loses_the_prefix_to_another_ends_and_waits_for_it_when_started_again(
    setup: Setup,
) -> None:
    mine = {"leader_election": election("one")}
    async with setup.life(**mine) as first:
        await until(lambda: first.process.first_pass_is_over)
        await setup.apply("web")
        await setup.until_ready("web")
        await eventually(lambda: all_recorded(setup))
        prefix = prefix_of(setup)
        async with held(setup, prefix, "thief_1"):
            await until(lambda: bool(first.lost))
            assert not first.process.is_leading()
            lease = f"{OWNERS_NAMESPACE}/{owner_lease(prefix)}"
            assert first.lost == f"the Lease {lease} is held by thief_1 now"
            writes = setup.spire.writes.total()
            async with setup.starting(**mine) as second:
                await until_refused(second, "thief_1")
                await setup.apply("later")
                await setup.client.delete(CLUSTER_SPIFFE_ID.path("", "web"))
                # It looks at the Lease every 0.1 s.
                gets = setup.spire.calls["ListEntries"]
                await until(lambda: setup.spire.calls["ListEntries"] > gets)
                assert setup.spire.writes.total() == writes
                await setup.client.delete(lease_path(prefix))
                await setup.until_entries("/later", 1)
                await setup.until_entries("/web", 0)


async def all_recorded(setup: Setup) -> bool:
    """Whether each entry has its record."""
    return len(await all_records(setup)) == len(setup.all_entries())


@pytest.mark.slow
async def test_an_api_server_that_is_away_takes_the_prefix_from_nobody(embedded: Setup) -> None:
    assert embedded.embedded is not None
    # Without leader election the prefix has the usual times: 10 s to renew its Lease in.
    async with embedded.life() as one:
        await until(lambda: one.process.first_pass_is_over)
        await embedded.apply("web")
        await embedded.until_ready("web")
        embedded.embedded.faults.fail(None, 503, method="patch", resource="leases")
        await until(lambda: "waiting for the Lease" in (one.process.why_not_ready() or ""))
        assert not one.process.is_leading()
        writes = embedded.spire.writes.total()
        looks = embedded.spire.calls["ListEntries"]
        await embedded.apply("later")
        await until(lambda: embedded.spire.calls["ListEntries"] > looks + 2)
        assert embedded.spire.writes.total() == writes
        embedded.embedded.faults.clear()
        await until(one.process.is_leading)
        await embedded.until_ready("later")
        assert one.lost == ""


async def test_without_the_right_to_the_lease_it_works_and_says_so(
    embedded: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    assert embedded.embedded is not None
    for method in ("get", "create", "patch"):
        embedded.embedded.faults.fail(None, 403, method=method, resource="leases")
    async with embedded.registrar() as one:
        await embedded.apply("web")
        await embedded.until_ready("web")
        assert one.why_not_ready() is None
        said = [r for r in caplog.records if "may not write the lease" in r.getMessage()]
        assert len(said) == 1


@pytest.mark.parametrize("methods", [("get", "create", "patch"), ("create", "patch")])
async def test_who_waits_for_a_prefix_does_not_go_on_without_it_when_the_right_is_taken_away(
    embedded: Setup, caplog: pytest.LogCaptureFixture, methods: tuple[str, ...]
) -> None:
    assert embedded.embedded is not None
    mine, faults = {"entry_id_prefix": "mine"}, embedded.embedded.faults
    async with embedded.registrar(**mine):
        await embedded.apply("web")
        await embedded.until_ready("web")
    # The holder goes on without the Lease, so that it is renewed no more.
    await hold(embedded, "mine", "thief_1", 1, "layered mode, in another place")
    async with embedded.starting(**mine, controller_manager=ControllerManager()) as two:
        await until_refused(two, "thief_1")
        for method in methods:
            faults.fail(None, 403, method=method, resource="leases")

        def attempts() -> int:
            said = [r for r in caplog.records if "cannot write the lease" in r.getMessage()]
            return len(said)

        await until(lambda: attempts() > 0)
        await until(lambda: "delete the Lease" in (two.why_not_ready() or ""))
        assert not two.is_leading()
        assert len(embedded.entries("/web")) == 1
        faults.clear()
        await until(lambda: two.first_pass_is_over)
