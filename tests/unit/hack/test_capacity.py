"""What is worked out for clusters that are too large to be measured."""

import pytest

from hack.capacity import Costs, Fleet, burst, limits, needs

COSTS = Costs()


def test_twice_the_pods_make_twice_the_records_and_the_lists() -> None:
    small = needs(Fleet(10_000, 2, 1, 20), COSTS, drift_seconds=1e6)
    large = needs(Fleet(20_000, 2, 1, 20), COSTS, drift_seconds=1e6)
    assert large.records_mib == pytest.approx(2 * small.records_mib)
    assert large.drift_percent == pytest.approx(2 * small.drift_percent)
    assert large.busy_percent == small.busy_percent


def test_more_registrars_share_memory_but_not_the_work_of_spire() -> None:
    one = needs(Fleet(100_000, 3, 1, 20), COSTS, drift_seconds=30)
    five = needs(Fleet(100_000, 3, 5, 20), COSTS, drift_seconds=30)
    assert five.registrar_mb < one.registrar_mb / 3
    assert five.all_at_once_seconds == one.all_at_once_seconds
    assert five.drift_percent == pytest.approx(5 * one.drift_percent)


def test_a_burst_ends_when_all_entries_are_made() -> None:
    fleet = Fleet(10_000, 1, 1, 0)
    points = burst(fleet, COSTS, 2_000)
    seconds, waiting = points[-1]
    assert waiting == 0
    assert seconds == pytest.approx(fleet.entries * COSTS.create_ms / 1000, abs=1)
    assert max(number for _, number in points) < fleet.entries


def test_what_is_too_much_is_named_the_worst_first() -> None:
    found = limits(needs(Fleet(100_000, 3, 1, 500), COSTS, drift_seconds=30))
    assert found[0].startswith("SPIRE's writer")
    assert limits(needs(Fleet(1_000, 1, 1, 1), COSTS, drift_seconds=30)) == []
