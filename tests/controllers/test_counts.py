"""What the metrics say of entries and of the webhooks' certificates."""

import math
import time
from pathlib import Path

import aiohttp

from manager.process import Process
from registrar.settings.model import PodIdentity, Webhooks
from tests.support.controllermanager import Manager
from tests.support.podwebhook import Asked
from tests.support.setup import Setup, eventually, until

LABEL = PodIdentity("label", "spiffe")


async def test_what_is_not_set_is_counted_until_it_is(embedded: Setup) -> None:
    async with embedded.registrar(pods=LABEL) as process:

        def counts() -> tuple[int, int]:
            found = process.entry_counts()
            return found["desired"], found["set"]

        # The agents' own entry is one of them.
        await until(lambda: counts() == (1, 1))
        embedded.spire.faults.fail("BatchCreateEntry")
        await embedded.create_pod("web-0", spiffe="web")
        await until(lambda: counts() == (2, 1))
        embedded.spire.faults.clear()
        await until(lambda: counts() == (2, 2))
        await embedded.client.delete("/api/v1/namespaces/default/pods/web-0?gracePeriodSeconds=0")
        await until(lambda: counts() == (1, 1))


async def seconds_left(process: Process) -> float:
    """Until the certificate ends that a webhook is served with."""
    url = f"http://127.0.0.1:{process.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        text = await response.text()
    name = "spire_registrar_webhook_certificate_expiry_timestamp_seconds "
    return float(text.partition(f"\n{name}")[2].split("\n")[0]) - time.time()


async def test_the_end_of_a_minted_certificate_is_told(embedded: Setup) -> None:
    async with Manager(embedded).running(webhooks=Webhooks("hooks", "127.0.0.1", 0)) as process:
        await until(lambda: process.webhooks is not None and bool(process.webhooks.port))
        assert 0 < await seconds_left(process) <= 24 * 3600


async def test_the_end_of_a_certificate_from_a_file_is_told(
    embedded: Setup, tmp_path: Path
) -> None:
    async with Asked(embedded).mode(tmp_path) as process:
        assert await seconds_left(process) > 0


async def test_without_a_webhook_there_is_no_end(embedded: Setup) -> None:
    async with embedded.registrar() as process:

        async def is_said() -> bool:
            return math.isnan(await seconds_left(process))

        await eventually(is_said)
