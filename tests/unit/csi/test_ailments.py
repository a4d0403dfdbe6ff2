"""What is wrong with a volume: the worst comes first."""

from dataclasses import replace

import pytest

from registrar.csi.ailments import SVID_GONE, Ailment, Standing, ailment_of
from registrar.spire.gate import Problem, Trouble

NOW = 1_000_000.0
WELL = Standing(
    waiting=Ailment("WaitingForEntry", "the agent has sent none since"),
    expires_at=NOW + 3600.0,
    life_seconds=3600.0,
    failure="",
    problem=None,
    away_seconds=0.0,
    stale_tokens="",
    missing=None,
    left_out="",
)
AWAY = Problem(Trouble.UNREACHABLE, "nobody answers")


def test_nothing_is_wrong_with_a_fresh_volume() -> None:
    assert ailment_of(WELL, NOW, 600.0) is None


@pytest.mark.parametrize(
    ("volume", "reason", "words"),
    [
        (replace(WELL, expires_at=None), "WaitingForEntry", "no SVID yet: the agent has"),
        (replace(WELL, expires_at=NOW), "SVIDExpired", "has expired: the agent has sent none"),
        (replace(WELL, expires_at=NOW + 719), "SVIDExpiring", "1970-01-12T13:58:39Z"),
        (replace(WELL, failure="no room"), "FilesNotWritten", "no room"),
        (replace(WELL, problem=AWAY, away_seconds=601.0), "AgentUnreachable", "more than 600 s"),
        (replace(WELL, stale_tokens="db: none"), "JWTSVIDNotRenewed", "not renewed: db: none"),
        (replace(WELL, missing=Ailment(SVID_GONE, "no more")), "SVIDGone", "no more"),
        (replace(WELL, left_out="bad.test"), "BundleLeftOut", "bad.test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_has_a_word_and_a_reason(volume: Standing, reason: str, words: str) -> None:
    found = ailment_of(volume, NOW, 600.0)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


def test_an_agent_that_is_away_for_a_while_is_not_missed() -> None:
    assert ailment_of(replace(WELL, problem=AWAY, away_seconds=599.0), NOW, 600.0) is None


def test_an_svid_that_came_with_little_left_is_not_about_to_expire_at_once() -> None:
    """What counts is the life that it had when it came, be it short."""
    short = replace(WELL, expires_at=NOW + 8.0, life_seconds=10.0)
    assert ailment_of(short, NOW, 600.0) is None
    assert ailment_of(short, NOW + 7.0, 600.0) is not None
