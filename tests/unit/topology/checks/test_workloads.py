"""The checks of the workloads module, against servers that do one thing wrong."""

from datetime import UTC, datetime

import msgspec
import pytest

from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from tests.support.agents import StandInAgent
from topology.checks.check import Check, Untrue, Verdict, verdicts
from topology.checks.pairs import Agent
from topology.checks.token import jwt_keys_of, read_token, verify_token
from topology.checks.workloads import (
    KINDS,
    PROXY_OF,
    WITH_FILES,
    Client,
    Kind,
    Reply,
    Unreached,
    Visit,
    Workloads,
)

AUTHORITIES = {name: Authority(name) for name in ("example.org", "auxiliary.org")}
KEYS = {name: JWTAuthority(name) for name in AUTHORITIES}
CLIENTS = [
    Client(
        server,
        trust_domain,
        StandInAgent(
            f"spiffe://{trust_domain}/topology/check/workloads/{server}",
            AUTHORITIES[trust_domain],
            [KEYS[trust_domain]],
        ),
    )
    for server, trust_domain in (
        ("root", "example.org"),
        ("nested-b", "example.org"),
        ("nested-c", "example.org"),
        ("auxiliary", "auxiliary.org"),
    )
]
EVERY = (*KINDS, WITH_FILES)
ALLOWED = {client.spiffe_id for client in CLIENTS if client.server != "root"}


class Servers:
    """All kinds of servers, and the proxy; ``fault`` is what they do wrong."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    async def __call__(self, agent: Agent, visit: Visit) -> Reply:
        kind = self._kind(visit)
        svid = (await agent.x509()).svids[0]
        if visit.through:
            return await self._proxied(agent, visit, kind)
        if visit.server != kind.spiffe_id and not self._does("any server"):
            raise Unreached("it is another server")
        peer = svid.spiffe_id if visit.shows_certificate else ""
        if kind.by_certificate and not peer and not self._does("no certificate"):
            raise Unreached("no certificate")
        of = peer.removeprefix("spiffe://").partition("/")[0]
        is_known = of in {*kind.trust_domains, ""} or self._does("any issuer")
        if kind.by_certificate and not is_known:
            raise Unreached("another trust domain")
        if kind.by_certificate and peer not in {*ALLOWED, ""} and not self._does("any client"):
            raise Unreached("the client is not expected")
        text = visit.headers.get("authorization", "").removeprefix("Bearer ")
        if visit.audience:
            text = await agent.token(visit.audience)
        return self._answer(kind, visit, peer if kind.by_certificate else "", text)

    def _kind(self, visit: Visit) -> Kind:
        if visit.host.startswith(f"{WITH_FILES.server}."):
            return WITH_FILES
        return next(kind for kind in KINDS if kind.port == visit.port)

    async def _proxied(self, agent: Agent, visit: Visit, kind: Kind) -> Reply:
        refused = "authorization" in visit.headers or not visit.host.startswith("server.")
        if refused and not self._does("open proxy"):
            return Reply(403, b"")
        peer = (await agent.x509()).svids[0].spiffe_id
        return self._answer(kind, visit, peer, await agent.token(kind.spiffe_id))

    def _answer(self, kind: Kind, visit: Visit, peer: str, text: str) -> Reply:
        subject = peer
        if kind.by_token:
            if not text and not self._does("no token"):
                return Reply(kind.nobody, b"")
            try:
                subject = self._subject(kind, text) if text else ""
            except Untrue as error:
                return Reply(403 if "not for" in str(error) else kind.nobody, b"")
            if peer and peer != subject and not self._does("stolen token"):
                return Reply(403, b"")
            if subject not in ALLOWED and not self._does("any client"):
                return Reply(403, b"")
        is_free = visit.path == "/public" and visit.method == "GET"
        if kind.has_rules and not is_free and not self._does("no rules"):
            return Reply(403, b"")
        if self._does("believes headers"):
            subject = visit.headers.get("x-spiffe-id", subject)
        return Reply(200, msgspec.json.encode({"server": kind.spiffe_id, "client": subject}))

    def _subject(self, kind: Kind, text: str) -> str:
        token = read_token(text)
        name = token.subject.removeprefix("spiffe://").partition("/")[0]
        if name not in kind.trust_domains and not self._does("any issuer"):
            raise Untrue("another issuer")
        audience = token.audience[0] if self._does("any audience") else kind.spiffe_id
        if self._does("no signature"):
            return token.subject if audience in token.audience else self._not_for()
        keys = jwt_keys_of(KEYS[name].jwks(), name)
        return verify_token(text, keys.items(), audience=audience, now=datetime.now(UTC)).subject

    @staticmethod
    def _not_for() -> str:
        raise Untrue("it is not for us")

    def _does(self, fault: str) -> bool:
        return self.fault == fault


def workloads(servers: Servers) -> Workloads:
    return Workloads(servers, CLIENTS, namespace="spire-workloads", kinds=EVERY)


async def failing(fault: str = "") -> list[Verdict]:
    """What the checks find; each looks once."""
    checks = workloads(Servers(fault)).checks()
    once = [Check(check.sentence, check.look, 0) for check in checks]
    return [verdict async for verdict in verdicts(once) if not verdict.is_good]


async def test_all_is_well_where_all_is_right() -> None:
    assert await failing() == []


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("any server", "another server than the one wanted"),
        ("no certificate", "a client without a certificate"),
        ("any client", "a client that is not let in"),
        ("no token", "a request without a token"),
        ("any audience", "a token for somebody else"),
        ("no signature", "an altered token"),
        ("stolen token", "a token of somebody else"),
        ("any issuer", "a client of another trust domain"),
        ("no rules", "GET /admin"),
        ("open proxy", "a request that brings a token"),
        ("believes headers", "is known"),
    ],
)
async def test_each_fault_is_found(fault: str, found: str) -> None:
    assert any(found in verdict.sentence for verdict in await failing(fault))


def test_each_kind_meets_each_client_and_the_proxy() -> None:
    sentences = [check.sentence for check in workloads(Servers()).checks()]
    assert len(sentences) == len(set(sentences))
    for kind in EVERY:
        for client in CLIENTS[1:]:
            assert any(s.startswith(f"{client.server} → {kind.name}: ") for s in sentences)
        is_proxied = any(s.startswith(f"{PROXY_OF}, behind Envoy → {kind.name}") for s in sentences)
        assert is_proxied == ("auxiliary.org" in kind.trust_domains)
