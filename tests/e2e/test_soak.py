"""The soak itself, on a real SPIRE server: it lets pass what is right, and sees what is not."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.soak.life import Life, live
from hack.soak.modes import MODES
from hack.soak.outcome import Outcome
from hack.soak.plan import BEGIN, Step, planned
from hack.soak.recorder import Recorder
from hack.soak.world import World
from tests.support.waiting import until

pytestmark = [pytest.mark.real("spire"), pytest.mark.slow]

STATIC = MODES["static"]
MAKES = [step for step in planned(STATIC, 1)[:BEGIN] if step.name.startswith("apply-")]


def quiet(_line: str) -> None:
    return None


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Paths of sockets must be short.
    return tmp_path_factory.mktemp("s") / "w"


@pytest.fixture
def life(folder: Path) -> Iterator[Life]:
    """A registrar that has made its entries."""
    with World(STATIC, folder) as world, Recorder(world.look, world.foreign) as recorder:
        made = Life(world, recorder, Outcome(), quiet)
        for step in (*MAKES, Step("judge")):
            made.do(step)
        assert made.outcome.findings == []
        yield made


def test_a_life_with_faults_is_right(folder: Path) -> None:
    steps = [
        *MAKES,
        Step("judge"),
        Step("begin", "spire-killed", 1),
        Step("begin", "registrar-killed", 2),
        Step("act", "apply-static", 3),
        Step("act", "delete-manifest", 4),
        Step("end", "spire-killed", 1),
        Step("end", "registrar-killed", 2),
        Step("judge"),
    ]
    outcome = live(STATIC, steps, say=quiet, until=math.inf, folder=folder)
    assert outcome.findings == []
    assert outcome.rounds == 2
    assert outcome.faults == {"spire-killed": 1, "registrar-killed": 1}
    assert not folder.exists()


async def test_the_recorder_sees_an_entry_that_is_missing_for_a_moment(life: Life) -> None:
    key = next(entry for entry in life.world.look.entries() if entry.id.startswith("soak-"))
    life.world.look.delete(key.id)
    await until(lambda: bool(life.recorder.findings))
    assert "no entry, though it should have one" in life.recorder.take()[0]


async def test_the_recorder_sees_that_an_entry_of_others_goes(life: Life) -> None:
    life.world.look.delete("manual-1")
    await until(lambda: bool(life.recorder.findings))
    assert "the entry manual-1, which is not ours, is None" in life.recorder.take()[0]
