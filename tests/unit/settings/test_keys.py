"""The table of keys agrees with itself and with the settings it makes."""

from registrar.settings.keys import KEYS
from registrar.settings.workloadkeys import ADDED, COMMON, IDLE, OF_MODE, OWN_KEYS


def test_no_two_keys_share_a_name() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)


def test_every_key_has_a_meaning_in_a_sentence() -> None:
    assert [key.name for key in KEYS if not key.meaning.endswith(".")] == []


def test_no_mode_of_the_workload_registrar_has_a_key_twice() -> None:
    for group in OF_MODE.values():
        names = [key.name for key in (*COMMON, *group, *ADDED)]
        assert len(set(names)) == len(names)


def test_a_file_is_the_workload_registrars_by_keys_that_the_layered_one_lacks() -> None:
    assert OWN_KEYS.isdisjoint(key.name for key in KEYS)
    assert {"mode", "agent_socket_path", "identity_template", *IDLE} <= OWN_KEYS


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
