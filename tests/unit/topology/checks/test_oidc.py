"""A client of the discovery provider that knows its URL alone, and what it finds wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from tests.support.agents import StandInAgent
from topology.checks.check import Untrue
from topology.checks.oidc import Oidc, Provider
from topology.checks.pairs import Place

KEY = JWTAuthority("k1")


@asynccontextmanager
async def a_provider(
    *, keys: bytes, issuer: str = "", answers_all: bool = False
) -> AsyncIterator[str]:
    """One that answers as SPIRE's does; gives its URL."""

    async def document(request: web.Request) -> web.Response:
        if request.host == "somebody-else.example" and not answers_all:
            return web.Response(status=400)
        text = {"issuer": issuer, "jwks_uri": "https://elsewhere.example/the-keys"}
        return web.json_response(text=json.dumps(text))

    async def key_set(_: web.Request) -> web.Response:
        return web.Response(body=keys)

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", document)
    app.router.add_get("/the-keys", key_set)
    async with TestServer(app) as server:
        yield server.make_url("").authority


async def failures(url: str) -> list[str]:
    agent = StandInAgent("spiffe://example.org/check", Authority("example.org"), [KEY])
    found = []
    for check in Oidc([Place("root", "example.org", agent, 1)], Provider(url)).checks():
        try:
            await check.look()
        except Untrue as error:
            found.append(f"{check.sentence}: {error}")
    return found


async def test_all_holds_of_a_provider_with_the_servers_keys() -> None:
    async with a_provider(keys=KEY.jwks().replace(b"jwt-svid", b"sig")) as url:
        assert await failures(url) == []


async def test_an_issuer_that_tokens_do_not_name_is_found() -> None:
    async with a_provider(keys=KEY.jwks(), issuer="https://a.example") as url:
        (found,) = await failures(url)
    assert "a JWT of root names it as its issuer: the token says ''" in found


async def test_keys_that_are_missing_are_found() -> None:
    async with a_provider(keys=b'{"keys": []}') as url:
        found = await failures(url)
    assert [each.split(":")[0] for each in found] == [
        "the keys are those of all servers",
        "a JWT of root is valid by its keys",
        "a JWT of root for another audience is refused",
    ]


async def test_one_that_answers_to_any_name_is_found() -> None:
    async with a_provider(keys=KEY.jwks(), answers_all=True) as url:
        (found,) = await failures(url)
    assert "a name that it does not know is refused: it answered 200" in found


async def test_one_that_is_away_fails_all_checks() -> None:
    async with a_provider(keys=b"") as url:
        pass
    assert len(await failures(url)) == 5
