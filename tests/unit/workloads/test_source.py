import asyncio

from registrar.spire.background import background
from tests.support.waiting import until
from tests.support.workloads import SERVER, Agents, agent
from topology.workloadapi import X509Answer
from workloads.source import Source


async def test_it_follows_what_the_agent_gives(agents: Agents) -> None:
    told: list[X509Answer] = []

    async def take(answer: X509Answer) -> None:
        told.append(answer)

    source = Source(agent(agents.server), on_change=take)
    assert (source.is_ready, source.spiffe_id) == (False, "")
    async with background() as tasks:
        tasks.create_task(source.run())
        await source.ready()
        assert (source.spiffe_id, source.problem) == (SERVER, "")
        assert set(source.keys) == {"example.org", "auxiliary.org"}
        newest = agents.server.rotate()
        await until(lambda: told[-1].svids[0].chain[0] == newest.certificate_der)
        assert set(told[-1].authorities) == {"example.org", "auxiliary.org"}


async def test_it_waits_for_an_agent_and_for_an_entry(agents: Agents) -> None:
    await agents.server.stop()
    agents.server.withdraw()
    source = Source(agent(agents.server))
    async with background() as tasks:
        tasks.create_task(source.run())
        await until(lambda: source.problem != "the agent has not answered yet")
        await agents.server.start()
        await until(lambda: "no entry yet" in source.problem, 30)
        agents.server.rotate()
        async with asyncio.timeout(30):
            await source.ready()


async def test_what_it_has_stays_while_the_agent_is_away(agents: Agents) -> None:
    source = Source(agent(agents.server))
    async with background() as tasks:
        tasks.create_task(source.run())
        await source.ready()
        await agents.server.stop()
        await until(lambda: bool(source.problem))
        assert source.is_ready
        assert source.spiffe_id == SERVER
        assert source.keys
