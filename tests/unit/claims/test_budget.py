"""The delete budget."""

from registrar.claims.budget import DeletionBudget


def budget(*, unlimited: bool = False) -> DeletionBudget:
    return DeletionBudget(count=100, fraction=0.2, window_seconds=30, unlimited=unlimited)


def test_a_hundred_deletions_are_always_allowed() -> None:
    assert budget().rule(wanted=100, held=100, confirmed=0, now=0).allowed


def test_a_fifth_is_allowed_however_many_that_is() -> None:
    assert budget().rule(wanted=2000, held=10_000, confirmed=0, now=0).allowed


def test_more_than_both_is_withheld_and_says_the_numbers() -> None:
    ruling = budget().rule(wanted=2001, held=10_000, confirmed=0, now=0)
    assert not ruling.allowed
    assert "2001 of 10000" in ruling.message


def test_deletions_within_the_window_count_together() -> None:
    tested = budget()
    tested.spend(90, now=0)
    assert not tested.rule(wanted=90, held=210, confirmed=0, now=29).allowed
    assert tested.rule(wanted=90, held=210, confirmed=0, now=30).allowed


def test_a_confirmation_allows_up_to_its_number() -> None:
    ruling = budget().rule(wanted=500, held=500, confirmed=500, now=0)
    assert ruling.allowed
    assert ruling.by_confirmation
    assert not budget().rule(wanted=500, held=500, confirmed=499, now=0).allowed


def test_a_confirmation_that_is_not_needed_is_not_used() -> None:
    ruling = budget().rule(wanted=5, held=500, confirmed=500, now=0)
    assert ruling.allowed
    assert not ruling.by_confirmation


def test_a_flag_allows_everything() -> None:
    assert budget(unlimited=True).rule(wanted=500, held=500, confirmed=0, now=0).allowed
