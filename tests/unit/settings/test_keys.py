"""The table of keys agrees with itself and with the settings it makes."""

from registrar.settings.keys import KEYS
from registrar.settings.legacy import WORKLOAD_REGISTRAR_KEYS


def test_no_two_keys_share_a_name() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)


def test_every_key_has_a_meaning_in_a_sentence() -> None:
    assert [key.name for key in KEYS if not key.meaning.endswith(".")] == []


def test_no_key_is_called_unsupported() -> None:
    assert WORKLOAD_REGISTRAR_KEYS.isdisjoint(key.name for key in KEYS)


def test_the_keys_of_the_layered_registrar_are_all_there() -> None:
    assert {key.name for key in KEYS if key.inherited} == {
        "cluster",
        "leader_election",
        "log_level",
        "log_path",
        "metrics_addr",
        "pod_annotation",
        "pod_controller",
        "pod_label",
        "server_address",
        "server_socket_path",
        "trust_domain",
    }
