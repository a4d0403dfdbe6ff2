"""The client: one request, to a server that is known by its SPIFFE ID, or through a proxy."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from topology.checks.pairs import Agent
from workloads.peers import Expected
from workloads.tls import client_context
from workloads.tokens import HEADERS

SECONDS = 30.0


class Refused(Exception):  # noqa: N818 - named by what happened
    """There was no answer: who is there is not whom we want, or does not want us, or nobody is."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. ``audience`` is whom a token is to be for; empty for a request without one.

    ``servers`` is None for plain HTTP. ``through`` is a proxy as an address, asked in plain HTTP.
    """

    url: str
    servers: Expected | None = None
    shows_certificate: bool = True
    audience: str = ""
    token_header: str = HEADERS[0]
    through: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(agent: Agent, request: Request, *, seconds: float = SECONDS) -> Answer:
    """Make the request as who the agent says that we are. Raises Refused and Unanswered."""
    headers = dict(request.headers)
    if request.audience:
        text = await agent.token(request.audience)
        is_bearer = request.token_header.lower() == "authorization"
        headers[request.token_header] = f"Bearer {text}" if is_bearer else text
    url = request.url
    if request.through:
        rest = url.partition("://")[2]
        host, slash, path = rest.partition("/")
        headers.setdefault("Host", host)
        url = f"http://{request.through}{slash}{path}"
    tls: ssl.SSLContext | bool = True
    if request.servers is not None:
        answer, shows = await agent.x509(), request.shows_certificate
        tls = await asyncio.to_thread(client_context, answer, request.servers, shows=shows)
    return await _fetch(request.method, url, headers, tls, seconds)


async def _fetch(
    method: str,
    url: str,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | bool,  # noqa: FBT001 - as aiohttp has it
    seconds: float,
) -> Answer:
    limit = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            # What was asked of one server is not for another one.
            session.request(
                method, url, headers=headers, ssl=tls, allow_redirects=False
            ) as response,
        ):
            body = await response.read()
    except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
        raise Refused(f"{url}: {str(error) or type(error).__name__}") from error
    found = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, found, body)
