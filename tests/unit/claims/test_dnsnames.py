"""DNS names of Pods in reconcile mode: which, and in which order."""

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.dnsnames import ServiceAddress, dashed, pod_dns_names
from registrar.claims.validation import is_dns_name

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
SERVICES = st.builds(
    ServiceAddress,
    service=LABELS,
    ip=ADDRESSES,
    hostname=st.one_of(st.just(""), LABELS),
    is_ready=st.booleans(),
)


def names(*addresses: ServiceAddress, ip: str = "10.0.0.7", name: str = "web-0") -> tuple[str, ...]:
    return pod_dns_names(name=name, namespace="shop", ip=ip, addresses=addresses, zone="z.test")


def test_without_services_a_pod_has_its_own_two_names() -> None:
    assert names() == ("10-0-0-7.shop.pod.z.test", "10-0-0-7.shop.pod")


def test_an_ipv6_address_has_dashes_for_its_colons() -> None:
    assert names(ip="fd00:10:244::7")[0] == "fd00-10-244--7.shop.pod.z.test"


def test_a_pod_without_an_address_has_no_names() -> None:
    assert names(ServiceAddress("db", ""), ip="") == ()


def test_a_service_gives_its_own_names_and_those_of_the_address_sorted() -> None:
    assert names(ServiceAddress("db", "10.0.0.7"))[2:] == (
        "10-0-0-7.db",
        "10-0-0-7.db.shop",
        "10-0-0-7.db.shop.svc",
        "10-0-0-7.db.shop.svc.z.test",
        "db",
        "db.shop",
        "db.shop.svc",
        "db.shop.svc.z.test",
        "web-0.db",
        "web-0.db.shop",
        "web-0.db.shop.svc",
        "web-0.db.shop.svc.z.test",
    )


def test_a_hostname_takes_the_place_of_address_and_pod_name() -> None:
    found = names(ServiceAddress("db", "10.0.0.7", "first"))
    assert "first.db.shop.svc" in found
    assert not any(name.startswith(("10-0-0-7.db", "web-0.")) for name in found)


def test_a_pod_name_with_dots_is_no_label() -> None:
    found = names(ServiceAddress("db", "10.0.0.7"), name="web.0")
    assert not any(name.startswith("web.0") for name in found)


def test_of_two_families_the_pods_own_counts() -> None:
    found = names(ServiceAddress("db", "fd00::7"), ServiceAddress("db", "10.0.0.7"))
    assert "10-0-0-7.db" in found
    assert "fd00--7.db" not in found


def test_a_name_that_no_certificate_may_have_is_left_out() -> None:
    assert names(ip="::1") == ()
    assert "db" in names(ServiceAddress("db", "::1"), ip="::1")


@given(ip=ADDRESSES, addresses=st.lists(SERVICES, max_size=5), name=LABELS)
def test_the_order_of_services_does_not_matter_and_every_name_is_one(
    ip: str, addresses: list[ServiceAddress], name: str
) -> None:
    found = names(*addresses, ip=ip, name=name)
    assert found == names(*reversed(addresses), ip=ip, name=name)
    assert len(set(found)) == len(found)
    assert all(is_dns_name(one) for one in found)
    for address in addresses:
        assert f"{address.service}.shop.svc.z.test" in found
    own = [one for one in found if ".pod" in one and one.startswith(dashed(ip))]
    assert list(found[: len(own)]) == own
    by_services = list(found[len(own) :])
    assert by_services == sorted(by_services)


@given(ip=st.ip_addresses(v=6))
def test_dashes_stand_for_colons_and_dots(ip: ipaddress.IPv6Address) -> None:
    # One that stands for an IPv4 address has dots at its end.
    assert dashed(str(ip)).split("-") == re.split("[:.]", str(ip))


def test_a_name_that_spire_refuses_is_left_out() -> None:
    found = names(ServiceAddress("my--svc", "10.0.0.7"), ServiceAddress("db", "10.0.0.7"))
    assert "db.shop.svc" in found
    assert not any(name.startswith("my--svc") for name in found)
