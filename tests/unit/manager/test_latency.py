"""How long a Pod waited for its entry."""

import asyncio
from dataclasses import replace

import pytest

from manager.latency import PodLatency
from registrar.claims.claim import Claimant
from registrar.kube.controller import Controller, Done, Result
from tests.support.builders import make_claim

POD = Claimant("Pod", "shop", "web-0")


@pytest.mark.looptime
async def test_the_time_that_a_pod_waits_until_it_is_looked_at_counts_too() -> None:
    observed: list[float] = []
    latency = PodLatency(observe=observed.append, clock=asyncio.get_running_loop().time)
    latency.begin()

    async def reconcile(_: str) -> Result:
        latency.pod_seen(POD)
        return Done()

    controller = Controller(name="pod", reconcile=reconcile, concurrency=1, timeout_seconds=10)
    controller.queue.add("web-0")
    await asyncio.sleep(30)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(controller.run())
        await controller.settled()
        running.cancel()
    await asyncio.sleep(2)
    latency.entry_set(replace(make_claim(), source=POD))
    assert observed == [pytest.approx(32)]
