"""How a SPIRE server spells the URL of a bundle endpoint; the table is in the conformance suite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.identity.endpointurl import as_server_writes


@given(st.text(max_size=40))
def test_what_is_written_is_written_in_the_same_way_again(rest: str) -> None:
    try:
        written = as_server_writes(f"https://partner.test/{rest}")
    except ValueError:
        return
    assert as_server_writes(written) == written


@pytest.mark.parametrize("url", ["https://a/" + "%" * 8000, "https://" + "a:" * 4000])
def test_long_nonsense_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write https://"):
        as_server_writes(url)
