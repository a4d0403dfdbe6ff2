"""Each kind of client at each kind of server, over real sockets, with rotations."""

import asyncio
import json

import pytest

from devcluster.spire.authority import Authority
from registrar.errors import InvalidField
from tests.support.waiting import until
from tests.support.workloads import CLIENT, SERVER, STRANGER, Agents, agent, running_server
from topology.checks.token import altered
from workloads.client import Answer, Refused, Request, ask
from workloads.peers import parse_expected
from workloads.server import parse_listener

SERVERS = parse_expected([SERVER], path="--server")
CLIENTS = (CLIENT, "spiffe://auxiliary.org")


def client_of(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    found = json.loads(answer.body)
    assert found["server"] == SERVER
    return str(found["client"])


@pytest.mark.parametrize("mode", ["mtls", "jwt", "mtls+jwt"])
async def test_clients_of_both_trust_domains_are_known(agents: Agents, mode: str) -> None:
    audience = SERVER if "jwt" in mode else ""
    async with running_server(agents.server, mode, *CLIENTS) as (url, _):
        for api, who in ((agents.client, CLIENT), (agents.stranger, STRANGER)):
            request = Request(
                f"{url}/a", SERVERS, shows_certificate="mtls" in mode, audience=audience
            )
            assert client_of(await ask(agent(api), request)) == who


async def test_a_server_of_another_trust_domain_is_known_too(agents: Agents) -> None:
    theirs = parse_expected([STRANGER], path="--server")
    async with running_server(agents.stranger, "mtls+jwt", CLIENT) as (url, _):
        answer = await ask(agent(agents.client), Request(url, theirs, audience=STRANGER))
        assert json.loads(answer.body)["client"] == CLIENT


async def test_a_token_may_stand_where_clients_of_emissary_put_it(agents: Agents) -> None:
    async with running_server(agents.server, "jwt", *CLIENTS) as (url, _):
        request = Request(url, SERVERS, audience=SERVER, token_header="x-emissary-auth")
        assert client_of(await ask(agent(agents.client), request)) == CLIENT


async def test_without_a_token_or_with_a_wrong_one_the_answer_is_403(agents: Agents) -> None:
    async with running_server(agents.server, "jwt", *CLIENTS) as (url, _):
        here = agent(agents.client)
        good = await here.token(SERVER)
        refused = [
            Request(url, SERVERS),
            Request(url, SERVERS, audience="somebody-else"),
            Request(url, SERVERS, headers={"authorization": f"Bearer {altered(good)}"}),
            Request(url, SERVERS, headers={"authorization": good}),
        ]
        for request in refused:
            answer = await ask(here, request)
            assert answer.status == 403, request
            assert b"error" in answer.body


async def test_who_is_not_expected_is_refused_in_the_handshake(agents: Agents) -> None:
    async with running_server(agents.server, "mtls", CLIENT) as (url, _):
        for api, shows in ((agents.stranger, True), (agents.client, False)):
            with pytest.raises(Refused):
                await ask(agent(api), Request(url, SERVERS, shows_certificate=shows))
        assert client_of(await ask(agent(agents.client), Request(url, SERVERS))) == CLIENT


async def test_who_is_not_expected_is_refused_by_the_token_too(agents: Agents) -> None:
    async with running_server(agents.server, "jwt", CLIENT) as (url, _):
        answer = await ask(agent(agents.stranger), Request(url, SERVERS, audience=SERVER))
        assert answer.status == 403
        assert STRANGER.encode() in answer.body


async def test_a_client_talks_to_nobody_but_whom_it_wants(agents: Agents) -> None:
    other = parse_expected(["spiffe://example.org/other"], path="--server")
    async with running_server(agents.server, "tls", "any") as (url, _):
        for api in (agents.client, agents.stranger):
            with pytest.raises(Refused, match=f"it is {SERVER}, not spiffe://example.org/other"):
                await ask(agent(api), Request(url, other, audience=SERVER))


async def test_another_trust_domain_cannot_pose_as_the_server(agents: Agents) -> None:
    # Its agent gives it our name, signed by an authority that everybody here knows.
    agents.stranger.give(agents.stranger.authority.issue(SERVER))
    async with running_server(agents.stranger, "tls", "any") as (url, _):
        with pytest.raises(Refused, match="none of 1 authorities has signed it"):
            await ask(agent(agents.client), Request(url, SERVERS))


async def test_another_trust_domain_cannot_pose_as_a_client(agents: Agents) -> None:
    async with running_server(agents.server, "mtls", CLIENT) as (url, _):
        assert client_of(await ask(agent(agents.client), Request(url, SERVERS))) == CLIENT
        agents.stranger.give(agents.stranger.authority.issue(CLIENT))
        with pytest.raises(Refused):
            await ask(agent(agents.stranger), Request(url, SERVERS))


async def test_a_token_of_another_than_the_certificate_is_refused(agents: Agents) -> None:
    async with running_server(agents.server, "mtls+jwt", "any") as (url, _):
        stolen = await agent(agents.client).token(SERVER)
        bearer = {"authorization": f"Bearer {stolen}"}
        answer = await ask(agent(agents.stranger), Request(url, SERVERS, headers=bearer))
        assert answer.status == 403
        assert b"came by" in answer.body


async def test_rotations_cost_no_request(agents: Agents) -> None:
    failed: list[Exception] = []
    asked = 0
    async with running_server(agents.server, "mtls+jwt", *CLIENTS) as (url, source):

        async def load() -> None:
            nonlocal asked
            while True:
                try:
                    request = Request(url, SERVERS, audience=SERVER)
                    assert client_of(await ask(agent(agents.client), request)) == CLIENT
                except Exception as error:  # noqa: BLE001 - whatever it is, it is one too many
                    failed.append(error)
                asked += 1

        async with asyncio.TaskGroup() as group:
            task = group.create_task(load())
            for _ in range(3):
                newest, begun = agents.server.rotate(), asked
                agents.client.rotate()

                def is_used(der: bytes = newest.certificate_der, begun: int = begun) -> bool:
                    found = source.x509
                    return (
                        found is not None and found.svids[0].chain[0] == der and asked > begun + 2
                    )

                await until(is_used)
            task.cancel()
    assert failed == []


async def test_a_new_authority_and_new_keys_are_known_at_once(agents: Agents) -> None:
    async with running_server(agents.server, "mtls+jwt", *CLIENTS) as (url, source):
        agents.stranger.authority = Authority("auxiliary.org")
        agents.stranger.rotate()
        agents.stranger.rotate_jwt("jwt-2")
        agents.server.rotate()
        await until(lambda: "jwt-2" in source.keys.get("auxiliary.org", {}))
        request = Request(url, SERVERS, audience=SERVER)
        assert client_of(await ask(agent(agents.stranger), request)) == STRANGER


async def test_a_server_goes_on_without_its_agent(agents: Agents) -> None:
    async with running_server(agents.server, "mtls", *CLIENTS) as (url, source):
        await agents.server.stop()
        await until(lambda: bool(source.problem))
        assert client_of(await ask(agent(agents.client), Request(url, SERVERS))) == CLIENT
        await agents.server.start()
        newest = agents.server.rotate()
        await until(
            lambda: (
                source.x509 is not None and source.x509.svids[0].chain[0] == newest.certificate_der
            )
        )


async def test_behind_a_proxy_the_header_says_who_asks(agents: Agents) -> None:
    async with running_server(agents.server, "http", "any") as (url, _):
        request = Request(url, headers={"x-spiffe-id": CLIENT})
        assert client_of(await ask(agent(agents.client), request)) == CLIENT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mtls", "MODE=HOST:PORT"),
        ("ssl=127.0.0.1:1", "MODE=HOST:PORT"),
        ("mtls=127.0.0.1", "HOST:PORT"),
        ("http=0.0.0.0:8080", "anybody could say who they are"),
        ("http=server.example:8080", "anybody could say who they are"),
    ],
)
def test_a_wrong_listener_is_named(text: str, why: str) -> None:
    with pytest.raises(InvalidField, match=why):
        parse_listener(text, path="--listen")


def test_listeners_are_read() -> None:
    found = parse_listener("mtls=[::]:8443", path="--listen")
    assert (found.mode, found.host, found.port) == ("mtls", "::", 8443)
    assert parse_listener("http=localhost:1", path="--listen").host == "localhost"
