"""What the test of the oidc module asserts: who knows its URL alone can verify all tokens."""

import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec

from api.codec import DecodeError, decode
from topology.checks.check import Check, Untrue
from topology.checks.pairs import AUDIENCE, Place
from topology.checks.token import jwt_keys_of, read_token, verify_token

_WELL_KNOWN = "/.well-known/openid-configuration"
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_NEW_KEY_SECONDS = 60.0

Look = Callable[[], Coroutine[None, None, None]]


class _Document(msgspec.Struct):
    issuer: str = ""
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class Provider:
    """Where it is. With TLS its certificate is of the authorities that a workload trusts there."""

    def __init__(self, host: str, *, whom_to_trust: Place | None = None) -> None:
        self.host = host
        self._place = whom_to_trust
        self.url = f"http://{host}" if whom_to_trust is None else f"https://{host}"

    async def trust(self) -> ssl.SSLContext | None:
        """Whom to trust, as it is now; None without TLS."""
        if self._place is None:
            return None
        known = (await self._place.agent.x509()).authorities.get(self._place.trust_domain, ())
        pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in known)
        if not pem:
            raise Untrue(f"the agent of {self._place.server} knows no authorities")
        return ssl.create_default_context(cadata=pem)


class Oidc:
    """The provider by its URL, and the servers whose tokens it is for."""

    def __init__(self, places: Sequence[Place], provider: Provider) -> None:
        self._places = places
        self._provider = provider

    def checks(self) -> list[Check]:
        """All of them."""
        return [
            Check("the keys are those of all servers", self._same_keys, _NEW_KEY_SECONDS),
            Check("a name that it does not know is refused", self._refuses_host),
            *(
                check
                for place in self._places
                for check in (
                    Check(f"a JWT of {place.server} names it as its issuer", self._issuer(place)),
                    Check(f"a JWT of {place.server} is valid by its keys", self._valid(place)),
                    Check(
                        f"a JWT of {place.server} for another audience is refused",
                        self._refuses_audience(place),
                    ),
                )
            ),
        ]

    async def _same_keys(self) -> None:
        ours = await self._keys()
        for place in self._places:
            found = (await place.agent.jwt_keys()).get(place.trust_domain, b"{}")
            theirs = jwt_keys_of(found, place.trust_domain)
            if theirs != ours:
                raise Untrue(f"it has {sorted(ours)}, the agent of {place.server} {sorted(theirs)}")

    async def _refuses_host(self) -> None:
        answer = await self._fetch(_WELL_KNOWN, host="somebody-else.example")
        if answer.status != 400:
            raise Untrue(f"it answered {answer.status}")

    def _issuer(self, place: Place) -> Look:
        async def look() -> None:
            token = read_token(await place.agent.token(AUDIENCE))
            issuer = (await self._document()).issuer
            if token.issuer != issuer:
                raise Untrue(f"the token says {token.issuer!r}, the provider {issuer!r}")

        return look

    def _valid(self, place: Place) -> Look:
        async def look() -> None:
            text = await place.agent.token(AUDIENCE)
            keys = await self._keys()
            verify_token(text, list(keys.items()), audience=AUDIENCE, now=datetime.now(UTC))

        return look

    def _refuses_audience(self, place: Place) -> Look:
        async def look() -> None:
            text = await place.agent.token("somebody-else")
            keys = await self._keys()
            try:
                verify_token(text, list(keys.items()), audience=AUDIENCE, now=datetime.now(UTC))
            except Untrue as error:
                if "not for" in str(error):
                    return
                raise
            raise Untrue("it is taken for good")

        return look

    async def _document(self) -> _Document:
        answer = await self._fetch(_WELL_KNOWN)
        if answer.status != 200:
            raise Untrue(f"{_WELL_KNOWN} answers {answer.status}")
        try:
            return decode(answer.body, _Document)
        except DecodeError as error:
            raise Untrue(f"{_WELL_KNOWN}: {error}") from error

    async def _keys(self) -> dict[str, bytes]:
        """The keys that the document leads to, by the provider's own address."""
        path = urlsplit((await self._document()).jwks_uri).path
        answer = await self._fetch(path)
        if answer.status != 200:
            raise Untrue(f"{path} answers {answer.status}")
        return jwt_keys_of(answer.body, "the provider")

    async def _fetch(self, path: str, host: str = "") -> _Answer:
        headers = {"Host": host} if host else {}
        url, trust = self._provider.url, await self._provider.trust()
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.get(f"{url}{path}", headers=headers, ssl=trust or True) as response,
            ):
                return _Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Untrue(f"{url}: {str(error) or type(error).__name__}") from error
