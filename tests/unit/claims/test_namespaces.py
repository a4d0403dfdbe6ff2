"""Ignored Namespaces, and those that a pattern hides by accident."""

import pytest

from registrar.claims.namespaces import IgnoredNamespaces
from registrar.claims.unmet import NAMESPACE_IGNORED, Unmet
from registrar.errors import InvalidField


@pytest.mark.parametrize(
    ("pattern", "name", "is_ignored"),
    [
        ("kube-system", "kube-system", True),
        ("spire", "my-spire-apps", True),
        ("^spire$", "my-spire-apps", False),
        ("^kube-.*", "kube-public", True),
        ("a|b", "xbx", True),
    ],
)
def test_a_pattern_may_match_anywhere(pattern: str, name: str, is_ignored: bool) -> None:
    assert IgnoredNamespaces((pattern,)).matches(name) is is_ignored


def test_what_a_plain_name_hides_besides_is_told() -> None:
    ignored = IgnoredNamespaces(("spire", "^kube-.*", "shop"))
    names = ["spire", "my-spire-apps", "kube-system", "shop", "spire-system", "other"]
    assert ignored.by_accident(names) == {"spire": ["my-spire-apps", "spire-system"]}


def test_what_is_no_pattern_is_said_to_be_none() -> None:
    with pytest.raises(InvalidField, match=r"ignoreNamespaces\[1\]"):
        IgnoredNamespaces(("a", "("))


def test_the_pattern_that_hides_a_namespace_is_told() -> None:
    wanted = "no match of ignoreNamespaces' pattern 'shop'"
    unmet = Unmet(NAMESPACE_IGNORED, "metadata.namespace", wanted, "shop-test")
    assert IgnoredNamespaces(("^kube-.*", "shop")).unmet("shop-test") == unmet
