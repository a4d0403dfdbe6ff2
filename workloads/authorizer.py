"""The authorizer: what Envoy asks about each request, by HTTP (its filter ext_authz).

``/ingress<path>`` is a request that comes in: it must bring a token for us, of somebody who may
ask for that. ``/egress<path>`` is one that goes out: it gets a token for whom it goes to, and must
not bring one. Whatever is not understood is refused: 403 where the request is at fault, 503 where
we cannot tell.
"""

import logging
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from registrar.telemetry.logging import kv
from topology.checks.check import Untrue
from topology.checks.token import read_token
from topology.workloadapi import Unanswered, WorkloadAPI
from workloads.policy import Policy
from workloads.source import Source
from workloads.tokens import NoToken, brings_token, subject_of, token_in

log = logging.getLogger(__name__)

ID_HEADER = "x-spiffe-id"
"""By this the server behind Envoy hears who asks."""

_PEER_HEADER = "x-forwarded-client-cert"
_OUTCOMES = ("allowed", "no-token", "bad-token", "other-peer", "not-allowed", "unavailable")


class Tokens:
    """Tokens of our own, each kept for half of its life."""

    def __init__(self, agent: WorkloadAPI) -> None:
        self._agent = agent
        self._kept: dict[str, tuple[str, float]] = {}

    async def get(self, audience: str, now: datetime) -> str:
        """A token for an audience. Raises Unanswered."""
        text, renew_at = self._kept.get(audience, ("", 0.0))
        if not text or now.timestamp() >= renew_at:
            text = await self._agent.token(audience)
            try:
                left = read_token(text).expires_at - now.timestamp()
            except Untrue as error:
                raise Unanswered(f"the agent sent a token that cannot be read: {error}") from error
            self._kept[audience] = (text, now.timestamp() + left / 2)
        return text


class _Refused(Exception):  # noqa: N818 - named by what happens
    def __init__(self, outcome: str, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.outcome = outcome
        self.status = status


class Authorizer:
    """Decides by the policy, and by what the source has."""

    def __init__(
        self, policy: Policy, source: Source, tokens: Tokens, registry: CollectorRegistry
    ) -> None:
        self._policy = policy
        self._source = source
        self._tokens = tokens
        self._counted = Counter(
            "workload_authorizations",
            "Requests that were decided on.",
            ("direction", "outcome"),
            registry=registry,
        )
        for direction in ("ingress", "egress"):
            for outcome in _OUTCOMES:
                self._counted.labels(direction, outcome)

    def app(self) -> web.Application:
        """What Envoy asks."""
        app = web.Application()
        app.router.add_route("*", "/{direction:ingress|egress}{path:.*}", self._decide)
        return app

    async def _decide(self, request: web.Request) -> web.Response:
        direction = request.match_info["direction"]
        decide = self._ingress if direction == "ingress" else self._egress
        try:
            headers = await decide(request)
        except _Refused as refused:
            self._counted.labels(direction, refused.outcome).inc()
            words = kv(direction=direction, outcome=refused.outcome, why=str(refused))
            log.info("refused", extra=words)
            return web.Response(status=refused.status, text=f"{refused}\n")
        self._counted.labels(direction, "allowed").inc()
        return web.Response(headers=headers)

    async def _ingress(self, request: web.Request) -> dict[str, str]:
        if not self._source.is_ready:
            raise _Refused("unavailable", self._source.problem, 503)
        try:
            text = token_in(request.headers)
            subject = subject_of(
                text,
                self._source.keys,
                audience=self._policy.audience or self._source.spiffe_id,
                now=datetime.now(UTC),
            )
        except NoToken as error:
            raise _Refused("no-token", str(error)) from error
        except Untrue as error:
            raise _Refused("bad-token", f"the token is refused: {error}") from error
        shown = request.headers.getall(_PEER_HEADER, [])
        if shown and _peers(",".join(shown)) != [subject]:
            raise _Refused("other-peer", f"the token of {subject} came by somebody else")
        target = request.raw_path.removeprefix("/ingress")
        why = self._policy.why_refused(subject, request.method, target)
        if why:
            raise _Refused("not-allowed", why)
        return {ID_HEADER: subject}

    async def _egress(self, request: web.Request) -> dict[str, str]:
        if brings_token(request.headers):
            raise _Refused("bad-token", "the request brings a token already: it gets one here")
        host = request.headers.get("host", "")
        audience = self._policy.audience_for(host)
        if not audience:
            raise _Refused("not-allowed", f"nobody may ask {host or 'nobody'} from here")
        try:
            text = await self._tokens.get(audience, datetime.now(UTC))
        except Unanswered as error:
            raise _Refused("unavailable", f"no token from the agent: {error}", 503) from error
        return {"authorization": f"Bearer {text}"}


def _peers(forwarded: str) -> list[str]:
    """The URIs of the certificates that Envoy says it has seen."""
    fields = [field for element in forwarded.split(",") for field in element.split(";")]
    pairs = [field.strip().partition("=") for field in fields]
    return [unquote(value.strip('"')) for name, _, value in pairs if name.lower() == "uri"]
