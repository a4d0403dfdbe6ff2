"""Refreshes of federated bundles: what is said of them, counted, and how they stay independent."""

import re

import aiohttp
import pytest

from api.codec import JSONObject
from api.meta import Condition
from devcluster.spire.authority import Authority
from devcluster.spire.server import SpireServer
from manager.process import Process
from registrar.identity.bundle import Bundle
from tests.support.federation import PARTNER, document
from tests.support.federationstory import Story, authority_bundle
from tests.support.setup import eventually, some_looks, until

URL = str(PARTNER["bundleEndpointURL"])
OFTEN = {"bundle_refresh_interval_seconds": 0.1}


async def refreshes(story: Story, number: int = 3) -> None:
    """Wait until the server was asked a few times more."""
    asked = story.spire.calls["RefreshBundle"]
    await until(lambda: story.spire.calls["RefreshBundle"] >= asked + number)


async def series(process: Process, trust_domain: str = "partner.test") -> dict[str, float]:
    """The metrics of bundles, without the label of the trust domain."""
    url = f"http://127.0.0.1:{process.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        text = await response.text()
    label = f'trust_domain="{trust_domain}"'
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("spire_registrar_bundle_") and label in line:
            name, _, value = line.rpartition(" ")
            name = re.sub(r",?" + re.escape(label), "", name).replace("{}", "").replace("{,", "{")
            found[name.removeprefix("spire_registrar_bundle_")] = float(value)
    return found


@pytest.mark.story
async def test_an_endpoint_out_of_reach_is_said_with_the_servers_words(story: Story) -> None:
    async with story.running():
        await story.partner()
        found = await story.until_condition_is("BundleFresh", "RefreshFailed")
        assert found is not None
        assert found.status == "False"
        assert "connect: connection refused" in found.message
        # That the relationship is there is another matter.
        await story.until_ready("Set")


async def test_freshness_follows_the_partner_down_and_up(alone: Story) -> None:
    shown = authority_bundle(Authority("partner.test"), "one")
    alone.spire.endpoints.show(URL, shown)
    async with alone.running(**OFTEN):
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "Fetched")
        alone.spire.endpoints.hide(URL)
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        assert alone.held.keys() == ["one"]
        await alone.until_ready("Set")
        alone.spire.endpoints.show(URL, shown)
        await alone.until_condition_is("BundleFresh", "Fetched")


async def test_the_condition_is_written_when_it_changes_only(alone: Story) -> None:
    async with alone.running(**OFTEN):
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        await alone.until_ready("Set")
        before = await alone.get_trust_domain("partner")
        await refreshes(alone)
        await some_looks(alone.setup)
        assert await alone.get_trust_domain("partner") == before
    # Nor at the next start.
    async with alone.running(**OFTEN):
        await refreshes(alone)
        await some_looks(alone.setup)
        assert await alone.get_trust_domain("partner") == before


async def test_a_new_key_arrives_by_a_refresh(alone: Story) -> None:
    authority = Authority("partner.test")
    alone.spire.endpoints.show(URL, authority_bundle(authority, "old"))
    async with alone.running(**OFTEN) as process:
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "Fetched")
        await refreshes(alone)
        # As a server that holds an old copy until its own time has come.
        alone.spire.state.bundles["partner.test"].CopyFrom(authority_bundle(authority))
        await until(lambda: alone.held.keys() == ["old"])

        async def are_counted() -> bool:
            found = await series(process)
            return found['keys{use="jwt-svid"}'] == found['keys{use="x509-svid"}'] == 1

        # The metrics follow when the refresh that brought the key has ended.
        await eventually(are_counted)
        found = await series(process)
        assert found["last_success_timestamp_seconds"] > 0
        assert found['refreshes_total{result="unchanged"}'] > 0


async def test_failures_are_counted_from_zero_on_and_go_with_the_object(alone: Story) -> None:
    async with alone.running(**OFTEN) as process:
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        found = await series(process)
        assert found['refreshes_total{result="failed"}'] > 0
        assert found['refreshes_total{result="changed"}'] == 0
        assert found["last_success_timestamp_seconds"] == 0
        await alone.remove()
        await until(lambda: not alone.held.urls())
        await some_looks(alone.setup)
        assert await series(process) == {}
        asked = alone.spire.calls["RefreshBundle"]
        await some_looks(alone.setup)
        assert alone.spire.calls["RefreshBundle"] == asked


async def test_a_peer_that_does_not_answer_holds_up_no_other(alone: Story) -> None:
    other = "https://127.0.0.1:2/bundle"
    spire: SpireServer = alone.spire
    spire.endpoints.show(other, authority_bundle(Authority("partner.test")))
    with spire.endpoints.hanging(URL):
        async with alone.running(**OFTEN):
            await alone.partner()
            await alone.trust_domain(
                "other", **{**PARTNER, "trustDomain": "other.test", "bundleEndpointURL": other}
            )
            await alone.until_condition_is("BundleFresh", "Fetched", "other")
            await refreshes(alone)
            assert await alone.condition("partner", "BundleFresh") is None


async def test_it_can_be_turned_off(alone: Story) -> None:
    async with alone.running():
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
    asked = alone.spire.calls["RefreshBundle"]
    async with alone.running(bundle_refresh_interval_seconds=0.0):
        # What another version of the configuration found says nothing any more.
        await alone.until_condition_is("BundleFresh", None)
        await some_looks(alone.setup)
        assert alone.spire.calls["RefreshBundle"] == asked


async def test_a_bundle_without_an_endpoint_is_neither_fresh_nor_stale(alone: Story) -> None:
    async with alone.running(**OFTEN):
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        spec: JSONObject = {
            "trustDomainBundle": document(
                Bundle("partner.test", (Authority("partner.test").certificate_der,))
            ),
            "bundleEndpointURL": "",
            "bundleEndpointProfile": None,
        }
        await alone.partner(**spec)
        await alone.until_condition_is("BundleFresh", None)
        asked = alone.spire.calls["RefreshBundle"]
        await some_looks(alone.setup)
        assert alone.spire.calls["RefreshBundle"] == asked


async def test_a_changed_endpoint_is_asked_at_once(alone: Story) -> None:
    good = "https://127.0.0.1:2/bundle"
    alone.spire.endpoints.show(good, authority_bundle(Authority("partner.test"), "one"))
    async with alone.running(bundle_refresh_interval_seconds=3600.0):
        await alone.partner()
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        await alone.partner(bundleEndpointURL=good)
        found: Condition | None = await alone.until_condition_is("BundleFresh", "Fetched")
        assert found is not None
        assert found.status == "True"
