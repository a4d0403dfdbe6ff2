"""The order of writes that two terms of leadership may have, and what breaks it."""

import pytest

from hack.soak.terms import Written, faults, gaps, summed


def written(writer: str, begun: int, ended: int, holder: str = "") -> Written:
    return Written(
        writer,
        "BatchCreateEntry",
        begun,
        float(begun),
        holder=holder or writer,
        ended=ended,
        ended_at=float(ended),
    )


def test_one_after_the_other_is_right() -> None:
    writes = [written("a", 1, 3), written("a", 2, 4), written("b", 5, 6), written("c", 7, 0)]
    assert faults(writes) == []
    assert gaps(writes) == [1.0, 1.0]


def test_a_write_that_is_still_under_way_is_seen() -> None:
    (found,) = faults([written("a", 1, 4), written("a", 2, 3), written("b", 3, 5)])
    assert "b wrote (BatchCreateEntry) while a write (BatchCreateEntry) of a was" in found


def test_a_write_that_never_ended_is_seen() -> None:
    assert len(faults([written("a", 1, 0), written("b", 2, 3)])) == 1


def test_one_who_writes_again_after_another_is_seen() -> None:
    found = faults([written("a", 1, 2), written("b", 3, 4), written("a", 5, 6)])
    assert found == ["a wrote again after another had written"]


@pytest.mark.parametrize("holder", ["b", "nobody"])
def test_one_who_does_not_hold_the_lease_is_seen(holder: str) -> None:
    (found,) = faults([written("a", 1, 2, holder)])
    assert found == f"a wrote (BatchCreateEntry) while {holder} held the Lease"


def test_who_could_not_be_asked_is_not_blamed() -> None:
    write = written("a", 1, 2)
    write.holder = ""
    assert faults([write]) == []


def test_says_percentiles_with_the_number_of_samples() -> None:
    said = summed("gap", [0.1 * number for number in range(1, 11)])
    assert said == "gap: 10 samples, p50 0.50 s, p90 0.90 s, longest 1.00 s"
    assert summed("gap", []) == "gap: none"
