"""Entries and how they differ."""

from dataclasses import replace

import pytest

from registrar.identity.entry import ATTRIBUTE_NAMES, Attributes, differing

OTHER = {
    "x509_svid_ttl": 1,
    "jwt_svid_ttl": 1,
    "federates_with": ("a.test",),
    "dns_names": ("a",),
    "admin": True,
    "downstream": True,
    "store_svid": True,
    "hint": "h",
}


def test_every_attribute_has_a_case_below() -> None:
    assert set(OTHER) == set(ATTRIBUTE_NAMES)


@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_a_difference_in_one_attribute_is_named(name: str) -> None:
    changed = replace(Attributes(), **{name: OTHER[name]})  # type: ignore[arg-type]
    assert differing(changed, Attributes()) == {name}
    assert differing(changed, changed) == frozenset()


def test_trust_domains_compare_as_a_set_but_dns_names_in_order() -> None:
    assert not differing(
        Attributes(federates_with=("a", "b")), Attributes(federates_with=("b", "a"))
    )
    assert differing(Attributes(dns_names=("a", "b")), Attributes(dns_names=("b", "a"))) == {
        "dns_names"
    }
