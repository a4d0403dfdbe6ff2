"""A person's word on withheld deletions."""

import pytest

from api.meta import ObjectMeta
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION
from registrar.claims.release import confirmed_deletions


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("", 0), ("9" * 5000, 0), ("²", 0), ("-1", 0), ("1e3", 0), ("0" * 5000, 0)],
)
def test_a_number_counts_and_nothing_else(text: str, number: int) -> None:
    meta = ObjectMeta(name="x", annotations={CONFIRM_DELETIONS_ANNOTATION: text})
    assert confirmed_deletions(meta) == number
