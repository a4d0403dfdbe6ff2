"""A zero value is one that nobody gave: Go's decoders cannot tell the two apart."""

from pathlib import Path

import pytest

from registrar.settings.load import interpret
from registrar.settings.managerkeys import MANAGER_KEYS
from registrar.settings.model import Reconciled, Settings
from registrar.settings.problems import ConfigError

HEAD = "kind: ControllerManagerConfig\nclusterName: test\ntrustDomain: example.org\n"
REQUIRED = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
EMPTY = ('""', "''")
NOTHING = ("null", "~", "Null", "", *EMPTY)
OPTIONAL = [
    (key.name, value)
    for key in MANAGER_KEYS
    for value in NOTHING
    if not key.required
    and not key.name.startswith("reconcile.")
    and not (key.name == "entryIDPrefixCleanup" and value in EMPTY)
]
"""Every key with every way to say nothing; where one of them means something is tested apart."""


def manager(text: str) -> Settings:
    return interpret(HEAD + text, path=Path("f"))


def hcl(text: str) -> Settings:
    return interpret(REQUIRED + text, path=Path("f"))


def in_yaml(name: str, value: str) -> str:
    """A line of YAML for a dotted name."""
    group, dot, key = name.partition(".")
    return f"{group}:\n  {key}: {value}\n" if dot else f"{name}: {value}\n"


@pytest.mark.parametrize(("name", "value"), OPTIONAL)
def test_null_and_the_empty_text_are_nothing_for_every_key(name: str, value: str) -> None:
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
