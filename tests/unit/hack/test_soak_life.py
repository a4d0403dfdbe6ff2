"""What the soak makes of registrars that end by themselves."""

from pathlib import Path

import pytest

from hack.soak.life import LOST_ITS_LEASE, Life
from hack.soak.modes import MODES
from hack.soak.outcome import Outcome
from hack.soak.plan import Step
from hack.soak.recorder import Recorder
from hack.soak.replica import Replica
from hack.soak.spirelook import SpireLook
from hack.soak.world import World


class Ended(Replica):
    """One that has ended by itself with a code, until it is started again."""

    code: int | None = 0

    def exit_code(self) -> int | None:
        return self.code

    def start(self) -> None:
        self.code = None


def life_with(folder: Path, mode: str, code: int) -> tuple[Life, Ended]:
    world = World(MODES[mode], folder / "w")
    replica = Ended(0, world.mode, world.folder, spire_socket=folder / "s", port=1)
    replica.code = code
    world.replicas = [replica]
    recorder = Recorder(SpireLook(folder / "s"), {})
    return Life(world, recorder, Outcome(), lambda _: None), replica


@pytest.mark.parametrize(
    ("mode", "code", "is_right"),
    [
        ("layered", LOST_ITS_LEASE, True),
        ("static", LOST_ITS_LEASE, False),
        ("layered", 1, False),
        ("layered", -11, False),
    ],
)
def test_only_who_has_lost_its_lease_may_end_and_is_started_again(
    tmp_path: Path, mode: str, code: int, *, is_right: bool
) -> None:
    life, replica = life_with(tmp_path, mode, code)
    with life.world.loop:
        life.do(Step("end", "spire-slow", 1))
    assert (life.outcome.findings == []) is is_right
    assert life.outcome.restarts == int(is_right)
    assert replica.code is None
