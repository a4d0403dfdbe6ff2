"""What the test of the workloads module asserts: each kind of client at each kind of server.

How a client asks is not known here: whoever runs the checks hands in a ``Visitor``.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypedDict, Unpack

import msgspec

from api.codec import DecodeError, decode
from topology.checks.check import Check, Untrue
from topology.checks.pairs import Agent
from topology.checks.token import altered

WORKLOADS = "spiffe://example.org/topology/workload/"
SERVER = f"{WORKLOADS}server"
FILES = "envoy-files"
"""The component that brings the last of the kinds."""

PROXY = "127.0.0.1:2223"
PROXY_OF = "auxiliary"
"""Whose SVID the proxy beside the test shows."""

_SETTLE_SECONDS = 90.0
_STRANGER = "root"
_LOAD = 50

Look = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in: what knows its clients there, by what, and what it says to those it does not."""

    name: str
    port: int
    by_certificate: bool = False
    by_token: bool = True
    nobody: int = 403
    """Its answer where there is no good token."""
    server: str = "server"
    """What the server is called, as a Service and in its SPIFFE ID."""
    has_rules: bool = False
    """Whether it looks at path and method."""
    trust_domains: tuple[str, ...] = ("example.org", "auxiliary.org")

    @property
    def spiffe_id(self) -> str:
        """Who the server is."""
        return f"{WORKLOADS}{self.server}"


KINDS = (
    Kind("our server by mTLS", 8443, by_certificate=True, by_token=False),
    Kind("our server by JWT", 8444),
    Kind("Envoy with the authorizer", 9443, by_certificate=True, has_rules=True),
    Kind(
        "Envoy with the OIDC provider's keys",
        9444,
        nobody=401,
        has_rules=True,
        # The provider speaks for one trust domain.
        trust_domains=("example.org",),
    ),
)
_BY_AUTHORIZER = KINDS[2]
WITH_FILES = Kind(
    "Envoy with files of the node driver",
    9443,
    by_certificate=True,
    has_rules=True,
    server="server-files",
    # Its agent's server federates with nobody.
    trust_domains=("example.org",),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a client to a server that must be ``server``, a SPIFFE ID."""

    host: str
    port: int
    path: str = "/public"
    method: str = "GET"
    audience: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    server: str = SERVER
    shows_certificate: bool = True
    through: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes


class _More(TypedDict, total=False):
    path: str
    method: str
    headers: Mapping[str, str]
    server: str
    shows_certificate: bool
    through: str


class Unreached(Exception):  # noqa: N818 - named by what happened
    """There was no reply: one of both did not want the other, or nobody is there."""


class Visitor(Protocol):
    """Makes a request as who the agent says that one is. Raises Unreached and Unanswered."""

    async def __call__(self, agent: Agent, visit: Visit, /) -> Reply:
        """The reply."""
        ...


class _Said(msgspec.Struct):
    server: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, by the agent of a server."""

    server: str
    trust_domain: str
    agent: Agent

    @property
    def spiffe_id(self) -> str:
        """Whom its agent takes the test for."""
        return f"spiffe://{self.trust_domain}/topology/check/workloads/{self.server}"


class Workloads:
    """``clients`` are all that are let in, and one that is not: that of the root."""

    def __init__(
        self,
        visitor: Visitor,
        clients: Sequence[Client],
        *,
        namespace: str,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        self._visit = visitor
        self._namespace = namespace
        self._kinds = kinds
        self._clients = [each for each in clients if each.server != _STRANGER]
        (self._stranger,) = (each for each in clients if each.server == _STRANGER)
        self._first = self._clients[0]
        (self._proxied,) = (each for each in self._clients if each.server == PROXY_OF)

    def checks(self) -> list[Check]:
        """All of them: what is good, then what must be refused."""
        good, bad = [], []
        for kind in self._kinds:
            for client in self._clients:
                way = f"{client.server} → {kind.name}"
                if client.trust_domain in kind.trust_domains:
                    good.append((f"{way}: is known", self._known(kind, client)))
                else:
                    bad.append(
                        (f"{way}: a client of another trust domain", self._foreign(kind, client))
                    )
            if self._proxied.trust_domain in kind.trust_domains:
                way = f"{PROXY_OF}, behind Envoy → {kind.name}"
                good.append((f"{way}: is known", self._known(kind, self._proxied, PROXY)))
            bad += [(f"{kind.name}: {what}", look) for what, look in self._refusals(kind)]
        bad += [(f"behind Envoy: {what}", look) for what, look in self._egress_refusals()]
        return [
            *(Check(sentence, look, _SETTLE_SECONDS) for sentence, look in good),
            *(Check(f"{sentence} is refused", look, 0) for sentence, look in bad),
            Check(f"{_LOAD} requests through both Envoys, none fails", self._load, 0),
        ]

    def _known(self, kind: Kind, client: Client, through: str = "") -> Look:
        async def look() -> None:
            # A name that somebody gives to himself must not count.
            visit = self._at(
                kind,
                headers={"x-spiffe-id": "spiffe://example.org/forged"},
                audience="" if through else None,
                through=through,
            )
            reply = await self._reply(client, visit)
            if reply.status != 200:
                raise Untrue(f"status {reply.status}: {reply.body[:300]!r}")
            try:
                said = decode(reply.body, _Said)
            except DecodeError as error:
                raise Untrue(f"it is not our server that answers: {error}") from error
            if said != _Said(kind.spiffe_id, client.spiffe_id):
                raise Untrue(f"{said.server} takes {client.spiffe_id} for {said.client}")

        return look

    def _at(self, kind: Kind, *, audience: str | None = None, **more: Unpack[_More]) -> Visit:
        """A visit as a good client makes it there, but for what is said otherwise."""
        right = kind.spiffe_id if kind.by_token else ""
        about: _More = {"server": kind.spiffe_id, "shows_certificate": kind.by_certificate}
        about.update(more)
        return Visit(
            f"{kind.server}.{self._namespace}.svc",
            kind.port,
            audience=right if audience is None else audience,
            **about,
        )

    def _refusals(self, kind: Kind) -> list[tuple[str, Look]]:
        here, right = self._first, self._at(kind)
        other = self._at(kind, server=f"{WORKLOADS}other")
        found = [("another server than the one wanted", self._unreached(here, other))]
        if kind.by_certificate:
            without = self._at(kind, shows_certificate=False)
            found += [
                ("a client that is not let in", self._unreached(self._stranger, right)),
                ("a client without a certificate", self._unreached(here, without)),
            ]
        if kind.by_token:
            nothing = self._at(kind, audience="")
            foreign = self._at(kind, audience="somebody-else")
            found += [
                ("a request without a token", self._status(here, nothing, kind.nobody)),
                ("a token for somebody else", self._status(here, foreign, 403)),
                ("an altered token", self._altered(kind)),
            ]
        if kind.by_token and kind.by_certificate:
            found.append(("a token of somebody else", self._stolen(kind)))
        if kind.by_token and not kind.by_certificate:
            what = "a token of a client that is not let in"
            found.append((what, self._status(self._stranger, right, 403)))
        if kind.has_rules:
            for path, method in (("/admin", "GET"), ("/publicity", "GET"), ("/public", "POST")):
                visit = self._at(kind, path=path, method=method)
                found.append((f"{method} {path}", self._status(here, visit, 403)))
        return found

    def _egress_refusals(self) -> list[tuple[str, Look]]:
        brings = {"authorization": "Bearer x"}
        own = self._at(_BY_AUTHORIZER, audience="", through=PROXY, headers=brings)
        elsewhere = replace(own, headers={}, host="kubernetes.default.svc")
        below = replace(own, headers={}, path="/admin")
        return [
            ("a request that brings a token", self._status(self._proxied, own, 403)),
            ("a host that nobody may ask", self._status(self._proxied, elsewhere, 403)),
            ("a path that is not allowed", self._status(self._proxied, below, 403)),
        ]

    def _foreign(self, kind: Kind, client: Client) -> Look:
        visit = self._at(kind)
        if kind.by_certificate:
            return self._unreached(client, visit)
        return self._status(client, visit, kind.nobody)

    def _altered(self, kind: Kind) -> Look:
        async def look() -> None:
            text = altered(await self._first.agent.token(kind.spiffe_id))
            await self._expect(self._first, self._bearing(kind, text), kind.nobody)

        return look

    def _stolen(self, kind: Kind) -> Look:
        async def look() -> None:
            text = await self._clients[1].agent.token(kind.spiffe_id)
            await self._expect(self._first, self._bearing(kind, text), 403)

        return look

    def _bearing(self, kind: Kind, text: str) -> Visit:
        return self._at(kind, audience="", headers={"authorization": f"Bearer {text}"})

    def _unreached(self, client: Client, visit: Visit) -> Look:
        async def look() -> None:
            try:
                reply = await self._visit(client.agent, visit)
            except Unreached:
                return
            raise Untrue(f"it is answered, with status {reply.status}")

        return look

    def _status(self, client: Client, visit: Visit, status: int) -> Look:
        async def look() -> None:
            await self._expect(client, visit, status)

        return look

    async def _expect(self, client: Client, visit: Visit, status: int) -> None:
        reply = await self._reply(client, visit)
        if reply.status != status:
            raise Untrue(f"status {reply.status}, not {status}: {reply.body[:300]!r}")

    async def _reply(self, client: Client, visit: Visit) -> Reply:
        try:
            return await self._visit(client.agent, visit)
        except Unreached as error:
            raise Untrue(str(error)) from error

    async def _load(self) -> None:
        visit = self._at(_BY_AUTHORIZER, audience="", through=PROXY)
        for _ in range(_LOAD):
            await self._expect(self._proxied, visit, 200)
