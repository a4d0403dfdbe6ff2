"""Replicas that are replaced under load, on real servers: nobody writes beside another.

How long nobody wrote is measured by `make soak ARGS=--rolling`; here only the order counts.
"""

import pytest

from hack.soak.modes import MODES
from hack.soak.rolling import rolled

pytestmark = [
    pytest.mark.real("control plane", "spire"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

UPDATES = 2


def test_replicas_are_replaced_one_by_one_and_stopped_in_trouble(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Paths of sockets must be short.
    folder = tmp_path_factory.mktemp("r") / "w"
    outcome = rolled(
        MODES["layered"],
        UPDATES,
        seed=1,
        say=lambda _: None,
        folder=folder,
        troubled_stops=1,
        # How long it takes is measured elsewhere; only a process that hangs is to fail here.
        stop_seconds=60.0,
    )
    assert outcome.findings == []
    # One leader at least is replaced by each update, and one is stopped in each trouble.
    assert len({write.writer for write in outcome.writes}) > UPDATES
    assert len(outcome.gaps) >= UPDATES
    assert {why: len(seconds) for why, seconds in outcome.stops.items()} == {
        "all well": 2 * UPDATES,
        "while SPIRE hangs": 1,
        "while the API server is slow": 1,
        "while the API server hangs": 1,
    }
