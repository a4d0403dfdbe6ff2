"""Regular expressions of the configuration are Go's, and take linear time."""

import pytest

from registrar.claims.namespaces import IgnoredNamespaces
from registrar.settings.patterns import compile_search


def test_a_pattern_is_found_anywhere() -> None:
    assert compile_search("openshift-*")("my-openshift")
    assert not compile_search("^kube-system$")("kube-systems")


def test_a_pattern_that_would_backtrack_does_not() -> None:
    assert not IgnoredNamespaces(("(a+)+$", "(a|a)*b$")).matches("a" * 62 + "-")


@pytest.mark.parametrize("bad", ["(", "a(?=b)", "[z-a]"])
def test_what_is_no_expression_is_said(bad: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compile_search(bad)
