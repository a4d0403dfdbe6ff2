"""What many have at one time is told in two lines."""

import asyncio
import logging

import pytest

from registrar.telemetry.troubles import Troubles, Words

WORDS = Words(begun="no news", over="news again", counted="volumes")
SOME = [f"volume-{number}" for number in range(20)]


class Lines(logging.Handler):
    """What was logged: the message and its key-values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append((record.getMessage(), vars(record)["kv"]))


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def troubles(lines: Lines) -> Troubles:
    log = logging.Logger("troubles")  # noqa: LOG001 - one of its own for each test
    log.addHandler(lines)
    return Troubles(WORDS, log)


@pytest.mark.looptime
async def test_twenty_volumes_are_one_line_at_the_beginning_and_one_at_the_end(
    troubles: Troubles, lines: Lines
) -> None:
    for who in SOME:
        troubles.has(who, "Away", "nobody is there")
        await asyncio.sleep(0.02)
    troubles.has("bundles", "Away", "nobody is there", is_counted=False)
    assert lines.found == []
    await asyncio.sleep(10)
    begun = {"reason": "Away", "why": "nobody is there", "volumes": 20}
    assert lines.found == [("no news", begun)]
    for who in [*SOME, "bundles"]:
        # What is said again and again is one trouble.
        troubles.has(SOME[-1], "Away", "still nobody is there")
        if who != SOME[-1]:
            troubles.is_rid(who)
    assert len(lines.found) == 1
    troubles.is_rid(SOME[-1])
    troubles.is_rid(SOME[-1])
    assert lines.found[1:] == [("news again", {"volumes": 20, "seconds": 10.4})]


@pytest.mark.looptime
async def test_another_kind_of_trouble_is_told_and_the_end_is_that_of_all(
    troubles: Troubles, lines: Lines
) -> None:
    for kind in ("Away", "Refused", "Away"):
        for who in SOME:
            troubles.has(who, kind, kind.lower())
        await asyncio.sleep(5)
    assert [words["why"] for _, words in lines.found] == ["away", "refused", "away"]
    for who in SOME:
        troubles.is_rid(who)
    assert [message for message, _ in lines.found][3:] == ["news again"]


@pytest.mark.looptime
async def test_what_lasts_a_moment_is_one_line(troubles: Troubles, lines: Lines) -> None:
    for who in SOME:
        troubles.has(who, "Away", "away")
    await asyncio.sleep(0.5)
    for who in SOME:
        troubles.is_rid(who)
    await asyncio.sleep(10)
    assert lines.found == [("news again", {"volumes": 20, "seconds": 0.5})]
