"""A zero value is one that nobody gave: Go's decoders cannot tell the two apart."""

import json
from pathlib import Path

import pytest

from registrar.settings import workloadkeys
from registrar.settings.csi import CSI_KEYS, interpret_csi
from registrar.settings.hcl import Scalar
from registrar.settings.hcltokens import Position
from registrar.settings.keys import KEYS
from registrar.settings.kinds import Dialect, Key
from registrar.settings.load import interpret
from registrar.settings.managerkeys import MANAGER_KEYS
from registrar.settings.model import Reconciled, Settings
from registrar.settings.problems import ConfigError
from registrar.settings.values import Zero

HEAD = "kind: ControllerManagerConfig\nclusterName: test\ntrustDomain: example.org\n"
REQUIRED = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
WRITTEN: dict[Zero, tuple[str, ...]] = {
    "null": ("null",),
    '""': ('""',),
    "0": ("0", "-0"),
    "0s": ('"0s"', '"0h0m0s"'),
    "[]": ("[]",),
    "{}": ("{}",),
}
"""Every way to write nothing, in JSON: that is HCL's, and YAML."""

SOCKET = '"cluster": "c", "trust_domain": "example.org", "server_socket_path": "/s"'
FILES: dict[Dialect, str] = {
    "layered": SOCKET + ', "pod_controller": true, "leader_election": true',
    "manager": '"kind": "ControllerManagerConfig", "clusterName": "c", "trustDomain": "d"',
    "webhook": SOCKET + ', "mode": "webhook", "addr": ":1"',
    "reconcile": SOCKET + ', "mode": "reconcile", "leader_election": true',
    "crd": SOCKET + ', "mode": "crd", "leader_election": true',
    "csi": '"node_name": "n", "agent_admin_socket_path": "/a"',
}
TABLES: dict[Dialect, tuple[Key[object], ...]] = {
    "layered": KEYS,
    "manager": MANAGER_KEYS,
    "csi": CSI_KEYS,
    "webhook": workloadkeys.keys_of("webhook"),
    "reconcile": workloadkeys.keys_of("reconcile"),
    "crd": workloadkeys.keys_of("crd"),
}
CASES = [
    pytest.param(dialect, key, id=f"{dialect}-{key.name}")
    for dialect, table in TABLES.items()
    for key in table
    # Without its mode another file is meant; an empty reconcile means something as a whole.
    if key.name != "mode" and not key.name.startswith("reconcile.")
]


def outcome(dialect: Dialect, key: Key[object], value: str | None) -> object:
    """What a file makes of a key that is written so, or left out: settings or what is wrong."""
    known = json.loads("{" + FILES[dialect] + "}")
    group, dot, name = key.name.partition(".")
    known.pop(key.name, None)
    text = json.dumps(known)
    if value is not None:
        inner = f'{{"{name}": {value}}}' if dot else value
        text = text.removesuffix("}") + (", " if known else "") + f'"{group}": {inner}' + "}"
    return said_of(dialect, text, {})


def said_of(dialect: Dialect, text: str, flags: dict[str, str]) -> object:
    """The settings, or what is wrong."""
    try:
        if dialect == "csi":
            return interpret_csi(text, path=Path("f"), environment={})
        return interpret(text, path=Path("f"), overrides=flags)
    except ConfigError as error:
        return [problem.message for problem in error.problems]


@pytest.mark.parametrize(("dialect", "key"), CASES)
def test_what_writes_nothing_is_the_default_unless_the_table_says_otherwise(
    dialect: Dialect, key: Key[object]
) -> None:
    for zero, ways in WRITTEN.items():
        if zero not in key.kind.zeros and zero not in key.zeros:
            for way in ways:
                assert outcome(dialect, key, way) == outcome(dialect, key, None), way


@pytest.mark.parametrize(("dialect", "key"), CASES)
def test_a_zero_value_with_a_meaning_is_read_and_differs_from_the_default(
    dialect: Dialect, key: Key[object]
) -> None:
    for zero, words in key.zeros.items():
        if words:
            (way, *_) = WRITTEN[zero]
            found = outcome(dialect, key, way)
            assert not isinstance(found, list)
            assert found != outcome(dialect, key, None) or key.default == "0"
    for zero in key.kind.zeros:
        key.kind.read(Scalar(0 if zero == "0" else "0s", Position(1, 1), "0"))


@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_a_flag_that_says_nothing_is_the_default_in_spite_of_the_file(key: Key[object]) -> None:
    text = "{" + FILES["layered"] + "}"
    for way in ("", "0s" if key.kind.bare else ""):
        assert said_of("layered", text, {key.name: way}) == outcome("layered", key, None)


@pytest.mark.parametrize("text", ["[]", ","])
def test_an_empty_list_can_be_given_as_a_flag(text: str) -> None:
    found = interpret(
        "{" + FILES["layered"] + "}", path=Path("f"), overrides={"disabled_namespaces": text}
    )
    assert found.pods is not None
    assert found.pods.disabled_namespaces == frozenset()


def test_a_list_in_the_place_of_a_required_path_is_a_missing_one() -> None:
    for mode in ("webhook", "reconcile", "crd"):
        text = (REQUIRED + f'mode = "{mode}"').replace('"/s"', "[]")
        with pytest.raises(ConfigError, match="server_socket_path: missing"):
            interpret(text, path=Path("f"))


def manager(text: str) -> Settings:
    return interpret(HEAD + text, path=Path("f"))


def hcl(text: str) -> Settings:
    return interpret(REQUIRED + text, path=Path("f"))


def in_yaml(name: str, value: str) -> str:
    """A line of YAML for a dotted name."""
    group, dot, key = name.partition(".")
    return f"{group}:\n  {key}: {value}\n" if dot else f"{name}: {value}\n"


@pytest.mark.parametrize("value", ["null", "~", "Null", "", '""', "''", "0s"])
@pytest.mark.parametrize("name", ["gcInterval", "webhook.port", "logLevel", "cacheNamespaces"])
def test_yaml_may_write_nothing_in_more_ways(name: str, value: str) -> None:
    found = manager(in_yaml(name, value))
    assert found == manager("")
    assert found.warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        "leaderElection.leaseDuration",
        "leaderElection.renewDeadline",
        "leaderElection.retryPeriod",
        "gcInterval",
    ],
)
@pytest.mark.parametrize("value", ["0", "0s", '"0s"', "0h0m0s", "0.0", "0e0", "-0", "{}", "[]"])
def test_a_duration_of_zero_is_the_default(name: str, value: str) -> None:
    assert manager(in_yaml(name, value)) == manager("")


@pytest.mark.parametrize("value", ["-1", "-10000000000", "-5s"])
def test_an_interval_below_zero_is_the_default_as_the_original_has_it(value: str) -> None:
    assert manager(f"gcInterval: {value}\n").drift_interval_seconds == 10
    with pytest.raises(ConfigError, match="must be more than zero"):
        manager(f"leaderElection: {{leaseDuration: {value}}}\n")


@pytest.mark.parametrize(
    "text",
    [
        "webhook: {}\nmetrics: {}\nhealth: null\nleaderElection: ~\nreconcile:\ncontroller: null\n",
        "webhook: {port: 0, host: ''}\ncacheNamespaces: {}\ngrpc: {}\nsyncPeriod: 0s\n",
        "metadata: {creationTimestamp: null, labels: {a: b}, annotations: {}, uid: ''}\n",
        "leaderElection: {leaderElect: null, resourceLock: '', leaseDuration: 0s}\n",
        "gracefulShutDown: null\nentryRenderCacheSize: 0\n",
    ],
    ids=["groups", "within", "metadata", "election", "idle"],
)
def test_what_a_program_writes_for_keys_that_nobody_set_says_nothing(text: str) -> None:
    found = manager(text)
    assert found == manager("")
    assert found.warnings == ()


def test_a_required_key_that_is_empty_is_missing() -> None:
    with pytest.raises(ConfigError, match="clusterName: missing"):
        interpret('kind: ControllerManagerConfig\nclusterName: ""\ntrustDomain: d', path=Path("f"))


def test_zero_values_with_a_meaning_keep_it() -> None:
    found = manager(
        'entryIDPrefixCleanup: ""\nignoreNamespaces: []\ndeletionBudget: {count: 0, fraction: 0}\n'
        "metrics: {bindAddress: 0}\n"
    )
    config = found.controller_manager
    assert config is not None
    assert config.entry_id_prefix_cleanup == ""
    assert config.ignore_namespaces == ()
    assert (found.deletion_budget.count, found.deletion_budget.fraction) == (0, 0)
    assert found.metrics_addr == "0"
    assert manager("entryIDPrefixCleanup: null\n") == manager("")


def test_an_empty_reconcile_turns_everything_off_and_says_so() -> None:
    for text in ("reconcile: {}\n", "reconcile: {clusterSPIFFEIDs: null}\n"):
        found = manager(text)
        assert found.controller_manager is not None
        assert found.controller_manager.reconciled == Reconciled(
            cluster_spiffe_ids=False,
            cluster_static_entries=False,
            cluster_federated_trust_domains=False,
        )
        assert "nothing is handled" in found.warnings[0]


@pytest.mark.parametrize(
    "text",
    [
        'log_level = ""\npod_label = ""\ndisabled_namespaces = []\nmetrics_addr = ""',
        'kubeconfig = ""\ndrift_interval = 0\nleader_election_lease_duration = "0s"\n',
    ],
)
def test_zero_values_of_an_hcl_file_are_nothing(text: str) -> None:
    assert hcl(text) == hcl("")


def test_zero_values_of_the_workload_registrars_file_are_nothing() -> None:
    zero = (
        'mode = "crd"\nwebhook_port = 0\nwebhook_service_name = ""\nidentity_template = ""\n'
        'leader_election_resource_lock = ""\ncontext {}\nagent_socket_path = ""\naddr = ""\n'
    )
    found = hcl(zero)
    assert found == hcl('mode = "crd"')
    assert found.warnings == ()
    no_names = hcl('mode = "crd"\ndns_name_templates = []')
    assert no_names != found, "an empty list of templates means no DNS names, as in the original"


def test_null_in_json_is_nothing() -> None:
    text = (
        '{"cluster": "c", "trust_domain": "example.org", "server_socket_path": "/s",'
        ' "log_level": null, "disabled_namespaces": null}'
    )
    assert interpret(text, path=Path("f")) == hcl("")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("logLevel: loud", "must be one of"),
        ("webhook: x", "must be a mapping of keys"),
        ('leaderElection: ""', "must be a mapping of keys"),
        ("metrics: {bindAddress: [a]}", "must be text"),
        ("spireServerSocketPath: false", "must be text"),
    ],
)
def test_a_wrong_value_is_still_an_error(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        manager(line + "\n")


def test_a_key_that_does_nothing_is_no_news_while_it_is_turned_off() -> None:
    assert manager("enableEntryRenderCache: false\ngrpc: {}\n").warnings == ()
    (warning,) = manager("enableEntryRenderCache: true\n").warnings
    assert "enableEntryRenderCache does nothing here" in warning


@pytest.mark.parametrize("inner", ["matchLabels: null", "matchLabels: {}", "matchExpressions: []"])
def test_a_label_selector_whose_parts_say_nothing_selects_all(inner: str) -> None:
    assert manager(f"clusterSPIFFEIDLabelSelector: {{{inner}}}\n") == manager("")
