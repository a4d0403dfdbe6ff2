"""Nobody waits behind a mass of others."""

import aiohttp

from api.codec import JSONObject
from manager.process import Process
from registrar.settings.model import PodIdentity
from tests.support.setup import Setup, eventually, until

LABEL = PodIdentity("label", "spiffe")
MASS = 400
WITHIN = 250
"""More than are under way and have their place in a call; many fewer than the mass."""


def order(setup: Setup) -> list[str]:
    """The paths of the Pods' entries as they were created."""
    return [e.spiffe_id.path for e in setup.entries() if not e.spiffe_id.path.startswith("/spire")]


async def asked_for(process: Process) -> int:
    """How many entries were asked for so far."""
    url = f"http://127.0.0.1:{process.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    adds = (line for line in lines if line.startswith("workqueue_adds_total{"))
    return sum(int(float(line.split()[-1])) for line in adds if 'name="spireentry"' in line)


async def test_a_pod_does_not_wait_until_many_of_another_namespace_have_their_entries(
    embedded: Setup,
) -> None:
    async with embedded.registrar(pods=LABEL) as process:
        shop: JSONObject = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await embedded.client.apply(shop)
        before = await asked_for(process)
        with embedded.spire.faults.held("BatchCreateEntry"):
            for number in range(MASS):
                await embedded.create_pod(f"mass-{number}", spiffe=f"mass-{number}")
            await embedded.create_pod("single", "shop", spiffe="single")

            async def all_asked_for() -> bool:
                return await asked_for(process) >= before + MASS + 1

            await eventually(all_asked_for)
        await until(lambda: len(order(embedded)) >= MASS + 1)
        assert order(embedded).index("/single") < WITHIN
