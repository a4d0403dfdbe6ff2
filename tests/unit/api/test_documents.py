"""YAML as people write it."""

import pytest

from api.codec import DecodeError
from api.documents import load_yaml_documents


def test_a_key_given_twice_in_yaml_is_an_error_with_its_line() -> None:
    with pytest.raises(DecodeError, match=r"line 2: key 'a'"):
        load_yaml_documents("a: 1\na: 2\n")


def test_dates_in_yaml_stay_text() -> None:
    assert load_yaml_documents("a: 2026-01-01\n---\n---\nb: 1\n") == [{"a": "2026-01-01"}, {"b": 1}]
