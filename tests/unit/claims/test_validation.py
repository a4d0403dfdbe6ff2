"""Which DNS names an SVID may have: no more than a SPIRE server takes."""

import pytest

from registrar.claims.validation import is_dns_name


@pytest.mark.parametrize(
    "name",
    ["web", "web.shop.svc", "*.shop.test", "a_b.test", "WEB.test", "myy--svc.test", "1.2", "x" * 63,
     "_web._tcp.test",
     "xn--bcher-kva.test", "*." + ".".join(["x" * 49] * 5),
     ".".join(["x" * 49] * 5)],
)  # fmt: skip
def test_a_name_that_spire_takes_is_one(name: str) -> None:
    assert is_dns_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "*", "*.", "not a name", "my--svc", "web.my--svc.test", "*.my--svc.test", "XN--bcher-kva",
     "xn--", "xn--abc-",
     "-a", "a-", "a..b", "a.", ".a", "a.*.b", "**.a", "x" * 64, ".".join(["x" * 50] * 5), "é.test",
     "a\n", "x" * 3_000_000],
)  # fmt: skip
def test_a_name_that_spire_refuses_or_no_dns_knows_is_none(name: str) -> None:
    assert not is_dns_name(name)
