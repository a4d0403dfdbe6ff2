"""What two servers of one trust domain, or of two that federate, must accept of each other."""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from topology.checks.chain import identity_of, verify_chain
from topology.checks.check import Check, Untrue
from topology.checks.token import altered, jwt_keys_of, verify_token
from topology.workloadapi import Unanswered, X509Answer

AUDIENCE = "topology-check"
_SPARE_SECONDS = 90.0
"""A new key is at all servers in 6 s and at an agent 5 s later; much more on a busy machine."""


class Agent(Protocol):
    """An agent's Workload API; ``topology.workloadapi.WorkloadAPI`` is one."""

    async def x509(self) -> X509Answer:
        """The caller's SVIDs and whom to believe. Raises Unanswered, as all of them do."""
        ...

    async def token(self, audience: str) -> str:
        """A JWT SVID of the caller."""
        ...

    async def jwt_keys(self) -> Mapping[str, bytes]:
        """The JWT keys of each trust domain, as JSON Web Key Sets."""
        ...

    async def validate(self, token: str, audience: str) -> str:
        """Whose token it is."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """An agent, named by its server, and the identity that it gives to whoever checks."""

    server: str
    trust_domain: str
    agent: Agent
    chain_length: int
    """Certificates in an X.509 SVID: 2 below a root server, 3 below a nested one."""


def pair_checks(pairs: Sequence[tuple[Place, Place]]) -> list[Check]:
    """For each pair: what comes from the first is good at the second, and nothing else is."""
    checks = []
    for giver, taker in pairs:
        way = f"{giver.server} → {taker.server}"
        for sentence, look in (
            ("a JWT is valid for the agent, and by its keys", _valid),
            ("a JWT for another audience is refused", _refuses_audience),
            ("an altered JWT is refused", _refuses_altered),
            ("the X.509 chain is valid by the bundle", _chain),
        ):
            checks.append(Check(f"{way}: {sentence}", look(giver, taker), _SPARE_SECONDS))
    return checks


Look = Callable[[], Coroutine[None, None, None]]


def _valid(giver: Place, taker: Place) -> Look:
    async def look() -> None:
        # Agents keep tokens: for an audience that nobody asked for yet the server must sign anew.
        audience = f"{AUDIENCE}-{secrets.token_hex(4)}"
        text = await giver.agent.token(audience)
        subject = await taker.agent.validate(text, audience)
        keys = await _keys(taker, giver.trust_domain)
        token = verify_token(text, list(keys.items()), audience=audience, now=datetime.now(UTC))
        if subject != token.subject or not subject.startswith(f"spiffe://{giver.trust_domain}/"):
            raise Untrue(f"the agent says {subject}, the token {token.subject}")

    return look


def _refuses_audience(giver: Place, taker: Place) -> Look:
    async def look() -> None:
        await _refused(taker, await giver.agent.token("somebody-else"), AUDIENCE, giver)

    return look


def _refuses_altered(giver: Place, taker: Place) -> Look:
    async def look() -> None:
        await _refused(taker, altered(await giver.agent.token(AUDIENCE)), AUDIENCE, giver)

    return look


async def _refused(taker: Place, text: str, audience: str, giver: Place) -> None:
    """The agent and we refuse it, though both know the key: only that shows anything."""
    keys = await _keys(taker, giver.trust_domain)
    try:
        subject = await taker.agent.validate(text, audience)
    except Unanswered:
        pass
    else:
        raise Untrue(f"the agent says that it is {subject}")
    try:
        verify_token(text, list(keys.items()), audience=audience, now=datetime.now(UTC))
    except Untrue as error:
        if "no key" in str(error):
            raise
        return
    raise Untrue("the keys say that it is good")


def _chain(giver: Place, taker: Place) -> Look:
    async def look() -> None:
        svid = (await giver.agent.x509()).svids[0]
        authorities = (await taker.agent.x509()).authorities.get(giver.trust_domain, ())
        chain = verify_chain(svid.chain, authorities, now=datetime.now(UTC))
        if len(chain) != giver.chain_length:
            raise Untrue(f"it has {len(chain)} certificates, not {giver.chain_length}")
        if identity_of(chain[0]) != svid.spiffe_id:
            raise Untrue(f"it is of {identity_of(chain[0])}, not of {svid.spiffe_id}")

    return look


async def _keys(place: Place, trust_domain: str) -> dict[str, bytes]:
    found = (await place.agent.jwt_keys()).get(trust_domain)
    if found is None:
        raise Untrue(f"the agent of {place.server} knows no keys of {trust_domain}")
    return jwt_keys_of(found, trust_domain)
