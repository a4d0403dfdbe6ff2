"""What two servers must accept of each other, and what the checks find when they do not."""

import pytest

from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from tests.support.agents import StandInAgent
from topology.checks.check import Untrue
from topology.checks.pairs import Place, pair_checks
from topology.workloadapi import Unanswered

A_KEY, B_KEY = JWTAuthority("a"), JWTAuthority("b")


def places() -> tuple[StandInAgent, StandInAgent]:
    """Two that hold the same keys and authorities; each signs by its own key."""
    authority = Authority("example.org")
    return (
        StandInAgent("spiffe://example.org/check/a", authority, [A_KEY, B_KEY]),
        StandInAgent("spiffe://example.org/check/b", authority, [B_KEY, A_KEY]),
    )


async def failures(giver: StandInAgent, taker: StandInAgent, *, chain_length: int = 1) -> list[str]:
    found = []
    first = Place("a", "example.org", giver, chain_length)
    second = Place("b", "example.org", taker, chain_length)
    for check in pair_checks([(first, second)]):
        try:
            await check.look()
        except (Untrue, Unanswered) as error:
            found.append(f"{check.sentence}: {error}")
    return found


async def test_all_holds_where_both_know_all_keys() -> None:
    assert await failures(*places()) == []


async def test_a_key_that_has_not_arrived_is_found_in_all_checks_of_tokens() -> None:
    giver, taker = places()
    taker.keys = [B_KEY]
    found = await failures(giver, taker)
    assert len(found) == 3
    # What is refused for want of the key shows nothing.
    assert all("no key a among b" in each for each in found)


async def test_an_agent_that_believes_everything_is_found() -> None:
    giver, taker = places()
    taker.believes_everything = True
    found = [each.split(":")[1].strip() for each in await failures(giver, taker)]
    assert found == [
        "a JWT is valid for the agent, and by its keys",
        "a JWT for another audience is refused",
        "an altered JWT is refused",
    ]


@pytest.mark.parametrize("what", ["authority", "length"])
async def test_a_chain_that_leads_elsewhere_or_is_of_another_length_is_found(what: str) -> None:
    giver, taker = places()
    if what == "authority":
        taker.authority = Authority("example.org")
    (found,) = await failures(giver, taker, chain_length=1 if what == "authority" else 3)
    said = "none of 1 authorities" if what == "authority" else "1 certificates, not 3"
    assert said in found
