"""Releases: which entries nobody claims any more, and the condition that withholds them."""

from collections.abc import Sequence

from api.meta import Condition, ObjectMeta
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION

WITHHELD = "DeletionsWithheld"
_MAX_DIGITS = 9
"""Python refuses to convert a number of thousands of digits; no server holds a billion entries."""


def withheld_condition(why: str, count: int, now: str) -> Sequence[Condition]:
    """The condition on the registrar's own SpireEntry while a mass deletion waits for a word."""
    if not why:
        return ()
    return (
        Condition(
            type=WITHHELD,
            status="True",
            reason="DeletionBudget",
            message=f"{why}. If that is meant, annotate this object: "
            f"{CONFIRM_DELETIONS_ANNOTATION}={count}",
            last_transition_time=now,
        ),
    )


def confirmed_deletions(meta: ObjectMeta) -> int:
    """The number of deletions that a person agreed to in an annotation; 0 for what is none."""
    text = meta.annotations.get(CONFIRM_DELETIONS_ANNOTATION, "")
    is_number = len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit()
    return int(text) if is_number else 0
