"""What each kind of value accepts, and what it says of the others."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.settings import values
from registrar.settings.hcl import Items, Scalar, Value
from registrar.settings.hcltokens import Position, ScalarValue

AT = Position(3, 7)


def scalar(value: ScalarValue) -> Scalar:
    return Scalar(value, AT)


def refused(read: Callable[[Value], object], value: ScalarValue) -> str:
    """What is said of a wrong value."""
    with pytest.raises(values.Wrong) as caught:
        read(scalar(value))
    assert caught.value.at == AT
    return caught.value.message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("1h0m0.25s", 3600.25),
        ("20us", 0.00002),
        ("20µs", 0.00002),
        ("1ns", 1e-9),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_seconds_or_gos_notation(written: ScalarValue, seconds: float) -> None:
    assert values.seconds(scalar(written)) == pytest.approx(seconds)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(1, 999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, rest: int, millis: int) -> None:
    written = f"{hours}h{minutes}m{rest}s{millis}ms"
    total = hours * 3600 + minutes * 60 + rest + millis / 1000
    assert values.seconds(scalar(written)) == pytest.approx(total)


@pytest.mark.parametrize(
    "written", ["30", "s", "", "1 m", "1d", "m30", "1m30", "1,5s", True, "+-1s"]
)
def test_what_is_no_duration_is_refused(written: ScalarValue) -> None:
    assert "must be a duration" in refused(values.seconds, written)


@pytest.mark.parametrize("written", [0, -1, 0.0, "0s", "-5m", "9" * 400 + "s"])
def test_a_duration_is_more_than_zero_and_ends(written: ScalarValue) -> None:
    assert "must be more than zero" in refused(values.seconds, written)


@pytest.mark.parametrize(
    ("written", "value"),
    [(True, True), (False, False), ("TRUE", True), ("false", False), (1, True), ("0", False)],
)
def test_a_boolean_is_what_gos_decoder_takes_for_one(written: ScalarValue, value: object) -> None:
    assert values.boolean(scalar(written)) is value


@pytest.mark.parametrize("written", ["yes", "", 2, 1.0, "t"])
def test_what_is_no_boolean_is_refused(written: ScalarValue) -> None:
    assert "must be true or false" in refused(values.boolean, written)


@pytest.mark.parametrize("written", ["5.0", "five", "", 1.0, True, -1, "-1"])
def test_a_count_is_a_whole_number_from_zero(written: ScalarValue) -> None:
    assert values.count(scalar(0)) == 0
    assert values.count(scalar("9443")) == 9443
    assert refused(values.count, written)


@pytest.mark.parametrize("written", ["0.2", True, -0.1, 1.5])
def test_a_fraction_is_a_number_from_zero_to_one(written: ScalarValue) -> None:
    assert [values.fraction(scalar(number)) for number in (0, 0.2, 1)] == [0.0, 0.2, 1.0]
    assert "from 0 to 1" in refused(values.fraction, written)


def test_a_choice_is_taken_in_any_case_and_spelling() -> None:
    read = values.choice(("info", "warn"), {"warning": "warn"})
    assert [read(scalar(word)) for word in ("INFO", "Warning", "warn")] == ["info", "warn", "warn"]
    assert refused(read, "loud") == 'must be one of "info", "warn", not the text "loud"'


@pytest.mark.parametrize("written", [1.5, True])
def test_text_stands_in_quotes_but_for_whole_numbers(written: ScalarValue) -> None:
    assert values.text(scalar(0)) == "0"
    assert "must be text in double quotes" in refused(values.text, written)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("spire-server:8081", ("spire-server", 8081)),
        ("dns:///spire.example.org:443", ("spire.example.org", 443)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[fd00::1]:65535", ("fd00::1", 65535)),
    ],
)
def test_a_server_address_is_host_and_port(written: str, address: tuple[str, int]) -> None:
    assert values.server_address(scalar(written)) == address


@pytest.mark.parametrize(
    "written",
    [
        "spire",
        ":8081",
        "spire:",
        "spire:0",
        "spire:65536",
        "fd00::1:8081",
        "https://s:1",
        "s:٣",
        "s:+1",
    ],
)
def test_another_server_address_is_refused_with_an_example(written: str) -> None:
    assert '"spire-server:8081"' in refused(values.server_address, written)


def test_a_unix_socket_as_server_address_names_the_right_key() -> None:
    assert "server_socket_path" in refused(values.server_address, "unix:///run/spire.sock")


@pytest.mark.parametrize("written", [":8080", "127.0.0.1:0", "[::1]:9", "localhost:80", "0"])
def test_an_address_to_listen_at_may_lack_the_host_or_be_none(written: str) -> None:
    assert values.listen_address(scalar(written)) == written


@pytest.mark.parametrize("written", ["8080", ":", "::1:80", ":99999", "a b:1"])
def test_another_address_to_listen_at_is_refused(written: str) -> None:
    assert '":8080"' in refused(values.listen_address, written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (":8083", "127.0.0.1:8083"),
        ("0.0.0.0:8083", "0.0.0.0:8083"),
        ("[::1]:0", "[::1]:0"),
        ("status.example:80", "status.example:80"),
        ("0", "0"),
    ],
)
def test_an_address_for_people_is_this_machines_alone_without_a_host(
    written: str, expected: str
) -> None:
    assert values.local_address(scalar(written)) == expected


@pytest.mark.parametrize("written", ["8083", "localhost", ":70000", "a b:1", "::1:80"])
def test_another_address_for_people_is_refused(written: str) -> None:
    assert '"0.0.0.0:8083"' in refused(values.local_address, written)


@pytest.mark.parametrize("written", ["/run/s.sock", "unix:///run/s.sock", "unix:/run/s.sock"])
def test_a_socket_is_named_by_its_path(written: str) -> None:
    assert values.socket_path(scalar(written)) == Path("/run/s.sock")


@pytest.mark.parametrize("written", ["", "tcp://s:1", "unix://", "/" + "x" * 107, "a\0b"])
def test_another_socket_is_refused(written: str) -> None:
    assert refused(values.socket_path, written)


@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        pytest.param(values.trust_domain, "example.org", "Example.org", id="trust domain"),
        pytest.param(values.cluster, "prod_1", "prod one", id="cluster"),
        pytest.param(values.cluster, "eu/prod", "/eu", id="cluster with a slash"),
        pytest.param(values.class_name, "Blue_1", "blue-", id="class name"),
        pytest.param(values.class_name, "x" * 63, "x" * 64, id="long class name"),
        pytest.param(values.entry_id_prefix, "a.b-1", "a.", id="prefix"),
        pytest.param(values.lease_name, "a.b-1", "A", id="lease"),
        pytest.param(values.lease_name, "x" * 253, "x" * 254, id="long lease"),
        pytest.param(values.namespace, "kube-system", "a.b", id="namespace"),
        pytest.param(values.metadata_key, "spiffe.io/spiffe-id", "a/b/c", id="label"),
        pytest.param(values.metadata_key, "spiffe", "-spiffe", id="label without prefix"),
        pytest.param(values.metadata_key, "Up_1", "/x", id="label with an empty prefix"),
    ],
)
def test_a_name_is_checked_as_its_later_use_needs_it(
    read: Callable[[Value], str], right: str, wrong: str
) -> None:
    assert read(scalar(right)) == right
    assert repr(wrong) in refused(read, wrong)


def test_a_wrong_name_in_a_list_is_found_at_its_own_place() -> None:
    inner = Position(4, 9)
    items = Items((scalar("a"), Scalar("B", inner)), AT)
    with pytest.raises(values.Wrong) as caught:
        values.namespaces(items)
    assert caught.value.at == inner


def test_a_namespace_without_a_name_stands_for_none() -> None:
    names = tuple(scalar(name) for name in ("", "kube-system", ""))
    assert values.namespaces(Items(names, AT)) == {"kube-system"}


@pytest.mark.parametrize(
    ("written", "zone"), [("cluster.local", "cluster.local"), ("k8s.test.", "k8s.test")]
)
def test_a_dns_zone_may_end_with_a_dot(written: str, zone: str) -> None:
    assert values.dns_zone(scalar(written)) == zone


@pytest.mark.parametrize("written", ["", ".", "a..b", "Cluster.Local", "a b"])
def test_what_is_no_dns_zone_is_refused(written: str) -> None:
    assert "write a domain such as cluster.local" in refused(values.dns_zone, written)
