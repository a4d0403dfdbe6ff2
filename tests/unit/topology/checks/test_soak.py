"""The soak: what counts as a failure, and as a rotation."""

import pytest

from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from tests.support.agents import StandInAgent
from topology.checks.pairs import Place
from topology.checks.soak import GIVER, TAKER, WANTED_ROTATIONS, Soak
from topology.workloadapi import Unanswered

KEYS = [JWTAuthority(f"k{number}") for number in range(WANTED_ROTATIONS + 1)]
SECONDS = 0.2


def an_agent(keys: list[JWTAuthority]) -> StandInAgent:
    return StandInAgent("spiffe://example.org/check", Authority("example.org"), keys)


def places(giver: StandInAgent, taker: StandInAgent, other: StandInAgent) -> list[Place]:
    agents = {GIVER: giver, TAKER: taker, "root": other}
    return [Place(name, "example.org", agent, 3) for name, agent in agents.items()]


async def reasons(soak: Soak) -> list[str]:
    await soak.run(SECONDS)
    return [verdict.why for verdict in soak.verdicts()]


async def test_a_key_that_the_taker_does_not_know_is_a_failure_with_the_time() -> None:
    soak = Soak(
        places(an_agent([KEYS[0]]), an_agent([KEYS[1]]), an_agent([KEYS[0]])),
        say=print,
        period_seconds=0.01,
    )
    refused, rotated = await reasons(soak)
    assert "key k0" in refused
    assert "rotations: nested-b 0, auxiliary 0, root 0" in rotated


async def test_servers_above_others_need_not_rotate(capsys: pytest.CaptureFixture[str]) -> None:
    giver = an_agent([KEYS[0]])
    soak = Soak(
        places(giver, an_agent(KEYS), an_agent([KEYS[0]])),
        say=print,
        above=["root", TAKER],
        period_seconds=0.01,
    )
    found = []
    for key in KEYS:
        giver.keys = [key]
        found = await reasons(soak)
    assert found == ["", ""]
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines()] == ["k0", "k1", "k2", "k3"]


class Silent(StandInAgent):
    """An agent that gives no token."""

    async def token(self, audience: str) -> str:
        raise Unanswered(f"not for {audience}")


async def test_no_token_at_all_is_no_success() -> None:
    silent = Silent("spiffe://example.org/check", Authority("example.org"), [])
    soak = Soak(places(silent, an_agent(KEYS), an_agent(KEYS)), say=print, period_seconds=0.01)
    refused, _ = await reasons(soak)
    assert "key none: not for" in refused
