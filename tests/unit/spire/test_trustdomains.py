"""Whose bundles the server holds, as it is learnt and told on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from registrar.spire.background import background
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection
from registrar.spire.errors import Internal
from registrar.spire.trustdomains import KnownDomains
from tests.support.waiting import until

Heard = list[tuple[set[str], set[str]]]


def hold(server: SpireServer, *names: str) -> None:
    """Let the server hold the bundles of these and of nobody else."""
    server.state.bundles.clear()
    for name in names:
        server.state.bundles[name] = types_pb2.Bundle(trust_domain=name)


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def domains(connection: Connection, heard: Heard) -> KnownDomains:
    made = KnownDomains(BundleClient(connection), interval_seconds=3600)
    made.on_change = lambda added, removed: heard.append((set(added), set(removed)))
    return made


async def test_before_the_first_look_nothing_is_known(domains: KnownDomains) -> None:
    assert domains.known is None


async def test_what_came_and_went_is_told(
    server: SpireServer, domains: KnownDomains, heard: Heard
) -> None:
    hold(server, "a.test", "b.test")
    await domains.refresh()
    hold(server, "b.test", "c.test")
    await domains.refresh()
    await domains.refresh()
    assert domains.known == frozenset({"b.test", "c.test"})
    assert heard == [({"a.test", "b.test"}, set()), ({"c.test"}, {"a.test"})]


async def test_a_look_that_fails_changes_nothing(
    server: SpireServer, domains: KnownDomains, heard: Heard
) -> None:
    hold(server, "a.test")
    await domains.refresh()
    server.faults.fail("ListFederatedBundles", times=1, code=grpc.StatusCode.INTERNAL)
    hold(server)
    with pytest.raises(Internal):
        await domains.refresh()
    assert domains.known == frozenset({"a.test"})
    await domains.refresh()
    assert heard[-1] == (set(), {"a.test"})


async def test_after_a_failed_look_the_next_who_waits_looks_himself(
    server: SpireServer, domains: KnownDomains
) -> None:
    server.faults.fail("ListFederatedBundles", times=1, code=grpc.StatusCode.INTERNAL)
    first, second = await _settled(domains, 2)
    assert isinstance(first, Internal)
    assert second is None
    assert domains.known == frozenset()


async def _settled(domains: KnownDomains, number: int) -> list[Internal | None]:
    """What that many looks at once end with, in the order in which they were asked for."""

    async def look() -> Internal | None:
        try:
            await domains.refresh()
        except Internal as error:
            return error
        return None

    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(look()) for _ in range(number)]
    return [task.result() for task in looks]


class Lister:
    """Counts how often the names are asked for; each answer waits until it may go."""

    def __init__(self) -> None:
        self.looks = 0
        self.names: list[str] = []
        self.error: Internal | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def federated_trust_domains(self) -> list[str]:
        self.looks += 1
        names = list(self.names)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return names


async def test_however_many_ask_during_a_look_one_more_serves_them() -> None:
    lister = Lister()
    domains = KnownDomains(lister, interval_seconds=3600)
    lister.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(domains.refresh())
        await until(lambda: lister.looks == 1)
        # What comes now is missing from the look that is under way.
        lister.names = ["late.test"]
        for _ in range(50):
            tasks.create_task(domains.refresh())
        await asyncio.sleep(0)
        lister.may_answer.set()
    assert domains.known == frozenset({"late.test"})
    assert lister.looks == 2


@asynccontextmanager
async def looking(domains: KnownDomains) -> AsyncIterator[None]:
    async with background() as tasks:
        tasks.create_task(domains.run())
        yield


@pytest.mark.looptime
async def test_the_looks_are_as_far_apart_as_the_interval_says() -> None:
    lister = Lister()
    async with looking(KnownDomains(lister, interval_seconds=600)):
        await asyncio.sleep(30)
        first = lister.looks
        await asyncio.sleep(600 * 10)
    assert first == 1
    assert lister.looks == 1 + 10


@pytest.mark.looptime
async def test_while_a_bundle_is_awaited_the_looks_follow_each_other() -> None:
    lister, awaited = Lister(), True
    domains = KnownDomains(lister, interval_seconds=3600, is_awaited=lambda: awaited)
    async with looking(domains):
        await asyncio.sleep(60)
        during = lister.looks
        awaited = False
        await asyncio.sleep(60)
    assert during >= 30
    assert lister.looks <= during + 1


@pytest.mark.looptime
async def test_a_server_that_does_not_answer_is_asked_again() -> None:
    lister = Lister()
    lister.error = Internal("out of order")
    domains = KnownDomains(lister, interval_seconds=3600)
    async with looking(domains):
        await asyncio.sleep(10)
        assert lister.looks > 1
        lister.error = None
        await asyncio.sleep(10)
        assert domains.known == frozenset()
