"""Entries that federate: set without what the server does not know, completed when it does."""

import pytest

from api.proto import types_pb2
from registrar.claims.federation import FEDERATION_PENDING
from tests.support.setup import Setup, eventually, until

OTHER = "partner.test"


def _federates_with(setup: Setup, path: str) -> list[str]:
    return [name for entry in setup.entries(path) for name in entry.federates_with]


async def test_an_entry_is_set_without_a_bundle_that_is_missing_and_completed_when_it_comes(
    setup: Setup,
) -> None:
    async with setup.registrar():
        await setup.apply(
            "web",
            spiffeId="spiffe://example.org/web",
            selector={"namespace": "shop"},
            federatesWith=[OTHER],
        )
        await setup.until_ready("web")
        assert _federates_with(setup, "/web") == []

        async def is_said() -> bool:
            waiting = await setup.condition("web", FEDERATION_PENDING)
            return waiting is not None and OTHER in waiting.message

        await eventually(is_said)

        async def is_reported() -> bool:
            events = await setup.events("ClusterSpiffeId", "web")
            return any(event.reason == FEDERATION_PENDING for event in events)

        await eventually(is_reported)

        setup.spire.state.bundles[OTHER] = types_pb2.Bundle(trust_domain=OTHER)

        await until(lambda: [*setup.entries("/web")[0].federates_with] == [OTHER])

        async def is_over() -> bool:
            return await setup.condition("web", FEDERATION_PENDING) is None

        await eventually(is_over)


@pytest.mark.parametrize("pattern", ["*", "*.test", "part*"])
async def test_a_pattern_stands_for_all_domains_that_the_server_knows(
    setup: Setup, pattern: str
) -> None:
    setup.spire.state.bundles[OTHER] = types_pb2.Bundle(trust_domain=OTHER)
    async with setup.registrar():
        await setup.apply(
            "web",
            spiffeId="spiffe://example.org/web",
            selector={"namespace": "shop"},
            federatesWith=[pattern],
        )
        await setup.until_ready("web")
        await until(lambda: _federates_with(setup, "/web") == [OTHER])
        assert await setup.condition("web", FEDERATION_PENDING) is None


async def test_a_bundle_that_the_server_lists_and_does_not_find_is_the_reason(
    embedded: Setup,
) -> None:
    embedded.spire.state.bundles[OTHER] = types_pb2.Bundle(trust_domain=OTHER)
    embedded.spire.faults.fail_entry(
        lambda entry: OTHER in entry.federates_with,
        times=5,
        message=f'failed to create entry: unable to find federated bundle "spiffe://{OTHER}"',
    )
    async with embedded.registrar():
        await embedded.apply(
            "web",
            spiffeId="spiffe://example.org/web",
            selector={"namespace": "shop"},
            federatesWith=[OTHER],
        )

        async def is_said() -> bool:
            ready = await embedded.condition("web")
            return ready is not None and ready.reason == "FederatedBundleMissing"

        await eventually(is_said)
        await embedded.until_ready("web")
        assert _federates_with(embedded, "/web") == [OTHER]
