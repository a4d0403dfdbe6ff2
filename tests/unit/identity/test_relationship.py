"""When two federation relationships point alike."""

from dataclasses import replace

import pytest

from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship

GIVEN = Relationship(
    "other.test", "https://other.test/bundle", "https_spiffe", "spiffe://other.test/endpoint"
)


def test_the_bundle_that_it_begins_with_does_not_count() -> None:
    assert GIVEN.points_like(replace(GIVEN, bundle=Bundle("other.test")))


@pytest.mark.parametrize(
    "other",
    [
        replace(GIVEN, url="https://other.test/elsewhere"),
        replace(GIVEN, profile="https_web"),
        replace(GIVEN, endpoint_spiffe_id="spiffe://other.test/another"),
    ],
    ids=["url", "profile", "endpoint-id"],
)
def test_everything_about_the_endpoint_counts(other: Relationship) -> None:
    assert not GIVEN.points_like(other)
