"""The authorizer as Envoy asks it, over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry, generate_latest

from registrar.spire.background import background
from tests.support.waiting import until
from tests.support.workloads import CLIENT, SERVER, STRANGER, Agents, agent
from topology.checks.token import altered, read_token
from workloads.authorizer import Authorizer, Tokens
from workloads.policy import parse_policy
from workloads.source import Source

POLICY = f"""
ingress:
  allow:
    {CLIENT}:
      - {{path: /public, methods: [GET]}}
egress:
  audiences:
    server.example:9443: {SERVER}
"""


class Asked:
    """An authorizer that listens."""

    def __init__(self, url: str, source: Source, registry: CollectorRegistry) -> None:
        self.url = url
        self.source = source
        self.registry = registry

    async def about(
        self, target: str, method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}{target}", headers=sent) as response,
        ):
            return response.status, response.headers

    def counted(self, direction: str, outcome: str) -> float:
        labels = {"direction": direction, "outcome": outcome}
        return self.registry.get_sample_value("workload_authorizations_total", labels) or 0


@asynccontextmanager
async def authorizer(agents: Agents, *, ready: bool = True) -> AsyncIterator[Asked]:
    source, registry = Source(agent(agents.server)), CollectorRegistry()
    made = Authorizer(
        parse_policy(POLICY, path="policy"), source, Tokens(agent(agents.server)), registry
    )
    async with TestServer(made.app()) as server, background() as tasks:
        if ready:
            tasks.create_task(source.run())
            await source.ready()
        yield Asked(str(server.make_url("")).rstrip("/"), source, registry)


async def test_who_may_ask_for_it_comes_in_and_is_named(agents: Agents) -> None:
    token = await agent(agents.client).token(SERVER)
    async with authorizer(agents) as asked:
        status, headers = await asked.about("/ingress/public?x=1", authorization=f"Bearer {token}")
        assert (status, headers["x-spiffe-id"]) == (200, CLIENT)
        status, headers = await asked.about("/ingress/public", x_emissary_auth=token)
        assert (status, headers["x-spiffe-id"]) == (200, CLIENT)
        assert asked.counted("ingress", "allowed") == 2


async def test_everybody_else_gets_403(agents: Agents) -> None:
    client, stranger = agent(agents.client), agent(agents.stranger)
    good = f"Bearer {await client.token(SERVER)}"
    async with authorizer(agents) as asked:

        async def outcome(target: str, method: str = "GET", **headers: str) -> str:
            before = {name: asked.counted("ingress", name) for name in OUTCOMES}
            status, sent = await asked.about(f"/ingress{target}", method, **headers)
            assert status == 403
            assert "x-spiffe-id" not in sent
            (found,) = (name for name in OUTCOMES if asked.counted("ingress", name) > before[name])
            return found

        assert await outcome("/public") == "no-token"
        assert await outcome("/public", authorization="Basic QTpC") == "no-token"
        assert await outcome("/public", authorization=good, x_emissary_auth=good) == "no-token"
        foreign = f"Bearer {await client.token('somebody-else')}"
        assert await outcome("/public", authorization=foreign) == "bad-token"
        forged = f"Bearer {altered(await client.token(SERVER))}"
        assert await outcome("/public", authorization=forged) == "bad-token"
        assert await outcome("/admin", authorization=good) == "not-allowed"
        assert await outcome("/public", "POST", authorization=good) == "not-allowed"
        assert await outcome("/public/%2e%2e/admin", authorization=good) == "not-allowed"
        theirs = f"Bearer {await stranger.token(SERVER)}"
        assert await outcome("/public", authorization=theirs) == "not-allowed"


OUTCOMES = ("no-token", "bad-token", "other-peer", "not-allowed", "unavailable")


async def test_a_token_counts_only_with_the_certificate_of_its_owner(agents: Agents) -> None:
    good = f"Bearer {await agent(agents.client).token(SERVER)}"
    by = f"By={SERVER};Hash=00"
    async with authorizer(agents) as asked:
        for shown, wanted in (
            (f"{by};URI={CLIENT}", 200),
            (f'{by};Subject="CN=a,O=b";URI={CLIENT}', 200),
            (f"{by};URI={STRANGER}", 403),
            (f"{by};URI={CLIENT},{by};URI={STRANGER}", 403),
            (by, 403),
        ):
            status, _ = await asked.about(
                "/ingress/public", authorization=good, x_forwarded_client_cert=shown
            )
            assert status == wanted, shown
        assert asked.counted("ingress", "other-peer") == 3


async def test_a_request_that_goes_out_gets_a_token_for_whom_it_goes_to(agents: Agents) -> None:
    async with authorizer(agents) as asked:
        status, headers = await asked.about("/egress/public", host="server.example:9443")
        assert status == 200
        token = read_token(headers["authorization"].removeprefix("Bearer "))
        assert (token.subject, token.audience) == (SERVER, (SERVER,))
        _, again = await asked.about("/egress/other", host="server.example:9443")
        assert again["authorization"] == headers["authorization"]


async def test_nothing_else_goes_out(agents: Agents) -> None:
    async with authorizer(agents) as asked:
        for headers in (
            {"host": "other.example"},
            {"host": "server.example:9443", "authorization": "Bearer x"},
            {"host": "server.example:9443", "authorization": ""},
            {"host": "server.example:9443", "x_emissary_auth": "x"},
        ):
            status, sent = await asked.about("/egress/public", **headers)
            assert status == 403, headers
            assert "authorization" not in sent


async def test_without_an_agent_nothing_passes(agents: Agents) -> None:
    good = f"Bearer {await agent(agents.client).token(SERVER)}"
    await agents.server.stop()
    async with authorizer(agents, ready=False) as asked:
        status, _ = await asked.about("/ingress/public", authorization=good)
        assert status == 503
        status, _ = await asked.about("/egress/public", host="server.example:9443")
        assert status == 503
        status, _ = await asked.about("/somewhere", authorization=good)
        assert status == 404
        assert b'outcome="unavailable"} 1.0' in generate_latest(asked.registry)


async def test_new_keys_count_at_once_and_old_ones_no_more(agents: Agents) -> None:
    old = f"Bearer {await agent(agents.client).token(SERVER)}"
    async with authorizer(agents) as asked:
        agents.client.jwt_authority = agents.server.rotate_jwt("jwt-2")
        await until(lambda: "jwt-2" in asked.source.keys["example.org"])
        new = f"Bearer {await agent(agents.client).token(SERVER)}"
        assert (await asked.about("/ingress/public", authorization=new))[0] == 200
        assert (await asked.about("/ingress/public", authorization=old))[0] == 403


async def test_a_token_is_renewed_at_half_of_its_life(agents: Agents) -> None:
    tokens, now = Tokens(agent(agents.server)), datetime.now(UTC)
    first = await tokens.get("a", now)
    left = timedelta(seconds=read_token(first).expires_at - now.timestamp())
    assert await tokens.get("a", now + left * 0.4) == first
    agents.server.rotate_jwt("jwt-2")
    assert read_token(await tokens.get("a", now + left * 0.6)).key_id == "jwt-2"


@pytest.mark.parametrize("direction", ["ingress", "egress"])
async def test_all_outcomes_are_counted_from_the_start(agents: Agents, direction: str) -> None:
    async with authorizer(agents) as asked:
        text = generate_latest(asked.registry).decode()
        for outcome in ("allowed", *OUTCOMES):
            assert f'{{direction="{direction}",outcome="{outcome}"}} 0.0' in text
