"""From one leader to the next: what a standby may not overlook, and what it does not repeat."""

import contextlib

import aiohttp
import pytest

from api.kinds import CLUSTER_SPIFFE_ID, POD
from manager.process import Process
from registrar.settings.model import LeaderElection, PodIdentity
from registrar.telemetry.metrics import ENTRY_STATES
from tests.support.earlier import all_records
from tests.support.relay import relayed
from tests.support.setup import Setup, eventually, some_looks, until

ELECTION = LeaderElection("default", "registrar", 30.0, 20.0, 0.1)
KINDS = {"clusterspiffeids", "spireentries", "pods", "namespaces"}


async def until_standing_by(process: Process) -> None:
    """Wait until a process is ready though another leads."""
    await until(lambda: bool(process.port) and process.why_not_ready() is None)
    assert not process.is_leading()


async def metrics(process: Process) -> list[str]:
    """What the process shows at its address."""
    url = f"http://127.0.0.1:{process.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return (await reply.text()).splitlines()


async def until_all_is_recorded(setup: Setup, number: int) -> None:
    """Wait until each of so many entries, and the registrar's own, has its record."""

    async def is_recorded() -> bool:
        records = await all_records(setup)
        return len(records) == number + 1 and all(record.status.entry_id for record in records)

    await eventually(is_recorded)


async def test_an_event_that_is_late_in_the_watch_counts_before_the_first_write(
    setup: Setup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = {"leader_election": ELECTION, "drift_interval_seconds": 3600.0}
    async with (
        relayed(setup, tmp_path_factory.mktemp("relay")) as (relay, kubeconfig),
        contextlib.AsyncExitStack() as first,
    ):
        await first.enter_async_context(setup.registrar(**shared))
        await setup.apply("gone")
        await setup.apply("stays")
        await setup.until_ready("gone")
        await setup.until_ready("stays")
        async with setup.starting(**shared, kubeconfig=kubeconfig) as second:
            await until_standing_by(second)
            relay.late |= KINDS
            await setup.client.delete(CLUSTER_SPIFFE_ID.path("", "gone"))
            await setup.apply("new")
            await setup.until_ready("new")
            await setup.until_entries("/gone", 0)
            await until_all_is_recorded(setup, 2)
            await until(lambda: relay.held_back["clusterspiffeids"] > 0)
            before = setup.all_entries()
            writes = setup.spire.writes.total()
            await first.aclose()
            await until(lambda: second.first_pass_is_over)
            await some_looks(setup, 1)
            # The deleted one was not made again, nor the new one released.
            assert setup.spire.writes.total() == writes
            assert setup.all_entries() == before
            relay.let_go()
            await setup.apply("later")
            await setup.until_ready("later")


async def test_a_new_leader_lists_anew_only_what_its_watch_does_not_bring_up_to_date(
    embedded: Setup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = {"leader_election": ELECTION, "pods": PodIdentity("label", "spiffe")}
    async with (
        relayed(embedded, tmp_path_factory.mktemp("relay")) as (relay, kubeconfig),
        contextlib.AsyncExitStack() as first,
    ):
        await first.enter_async_context(embedded.registrar(**shared))
        await embedded.create_pod("web-0", spiffe="web")
        await embedded.until_entries("/web", 1)
        async with embedded.starting(**shared, kubeconfig=kubeconfig) as second:
            await until_standing_by(second)
            assert {kind: relay.lists[kind] for kind in KINDS} == dict.fromkeys(KINDS, 1)
            relay.late.add("pods")
            await embedded.client.delete(f"{POD.path('default', 'web-0')}?gracePeriodSeconds=0")
            await embedded.until_entries("/web", 0)
            await first.aclose()
            await until(lambda: second.first_pass_is_over)
            assert relay.lists["pods"] == 2
            # The others had nothing to say either: what is quiet looks like what is late.
            assert all(1 <= relay.lists[kind] <= 2 for kind in KINDS)
            relay.let_go()


async def test_a_start_that_finds_the_lease_free_lists_once(
    embedded: Setup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = {"leader_election": ELECTION, "pods": PodIdentity("label", "spiffe")}
    async with relayed(embedded, tmp_path_factory.mktemp("relay")) as (relay, kubeconfig):
        for number in (1, 2):
            async with embedded.registrar(**shared, kubeconfig=kubeconfig):
                assert {kind: relay.lists[kind] for kind in KINDS} == dict.fromkeys(KINDS, number)


async def test_a_standby_shows_no_queue_and_no_entry(embedded: Setup) -> None:
    shared = {"leader_election": ELECTION}
    async with contextlib.AsyncExitStack() as first:
        one = await first.enter_async_context(embedded.registrar(**shared))
        await embedded.apply("web")
        await embedded.until_ready("web")
        async with embedded.starting(**shared) as two:
            await until_standing_by(two)
            assert [line for line in await metrics(two) if line.startswith("workqueue_")] == []
            counts = [line for line in await metrics(two) if "registrar_entries{" in line]
            assert len(counts) == len(ENTRY_STATES)
            assert all(line.endswith(" 0.0") for line in counts)
            led = [line for line in await metrics(one) if line.startswith("workqueue_depth{")]
            assert led
            await first.aclose()
            await until(lambda: two.first_pass_is_over)
            led = [line for line in await metrics(two) if line.startswith("workqueue_depth{")]
            assert led


async def test_readiness_says_what_a_new_leader_waits_for(
    embedded: Setup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = {"leader_election": ELECTION}
    async with (
        relayed(embedded, tmp_path_factory.mktemp("relay")) as (relay, kubeconfig),
        contextlib.AsyncExitStack() as first,
    ):
        assert embedded.embedded is not None
        await first.enter_async_context(embedded.registrar(**shared))
        async with embedded.starting(**shared, kubeconfig=kubeconfig) as second:
            await until_standing_by(second)
            relay.late |= KINDS
            await embedded.apply("web")
            await embedded.until_ready("web")
            embedded.embedded.faults.fail(None, 500, method="list", resource="clusterspiffeids")
            await first.aclose()
            said = "clusterspiffeids.spiffeid.spiffe.io: cannot see whether it is up to date"
            await until(lambda: said in (second.why_not_ready() or ""))
            embedded.embedded.faults.clear()
            await until(lambda: second.first_pass_is_over)
            assert second.why_not_ready() is None
            relay.let_go()
