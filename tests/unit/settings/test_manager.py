"""The controller manager's YAML: every key, its checks, and what is said of mistakes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from registrar.settings.load import examine, interpret
from registrar.settings.manager import (
    detect_cluster_domain,
    expand_environment,
    unset_variables,
)
from registrar.settings.model import (
    CachedNamespace,
    ControllerManager,
    LeaderElection,
    Reconciled,
    Settings,
    StaticManifests,
    TCPAddress,
    UnixAddress,
    Webhooks,
)
from registrar.settings.problems import ConfigError

HEAD = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: test
trustDomain: example.org
"""


def read(text: str, *, environment: Mapping[str, str] | None = None, **overrides: str) -> Settings:
    return interpret(
        HEAD + text, path=Path("f"), overrides=overrides, environment=environment or {}
    )


def problems(text: str, **overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(text, environment={}, **overrides)
    return [str(problem) for problem in raised.value.problems]


def manager(text: str, *, environment: Mapping[str, str] | None = None) -> ControllerManager:
    found = read(text, environment=environment).controller_manager
    assert found is not None
    return found


def test_the_defaults_are_those_of_the_original() -> None:
    settings = read("")
    assert settings.spire == UnixAddress(Path("/spire-server/api.sock"))
    assert settings.drift_interval_seconds == 10
    assert settings.leader_election is None
    assert settings.controller_manager == ControllerManager(webhooks=Webhooks())


def test_every_key_is_read() -> None:
    settings = read(
        """\
metadata: {name: ours}
clusterDomain: k8s.test
ignoreNamespaces: [^a$, b]
validatingWebhookConfigurationName: hooks
gcInterval: 1m
bundleRefreshInterval: 2m
spireServerSocketPath: /s
logLevel: debug
logEncoding: json
className: mine
watchClassless: true
parentIDTemplate: /agent/{{ .NodeMeta.Name }}
reconcile: {clusterSPIFFEIDs: true}
entryIDPrefix: one.
entryIDPrefixCleanup: ""
cacheNamespaces: {a: {}, b: {}}
leaderElection: {leaderElect: true, resourceName: l, resourceNamespace: n, leaseDuration: 20s}
metrics: {bindAddress: ":1"}
health: {healthProbeBindAddress: ":2"}
webhook: {port: 3, host: 127.0.0.1}
filterByClassName: true
"""
    )
    assert settings.spire == UnixAddress(Path("/s"))
    assert (settings.log_level, settings.log_format) == ("debug", "json")
    assert (settings.metrics_addr, settings.health_addr) == (":1", ":2")
    assert settings.leader_election == LeaderElection("n", "l", lease_seconds=20)
    assert (settings.class_name, settings.entry_id_prefix) == ("mine", "one")
    assert settings.controller_manager == ControllerManager(
        cluster_domain="k8s.test",
        ignore_namespaces=("^a$", "b"),
        parent_id_template="/agent/{{ .NodeMeta.Name }}",
        entry_id_prefix_cleanup="",
        cache_namespaces=(CachedNamespace("a"), CachedNamespace("b")),
        watch_classless=True,
        template_labels=(("spire.spiffe.io/class-name", "mine"),),
        reconciled=Reconciled(
            cluster_spiffe_ids=True,
            cluster_static_entries=False,
            cluster_federated_trust_domains=False,
        ),
        webhooks=Webhooks("hooks", "127.0.0.1", 3),
        bundle_refresh_interval_seconds=120,
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("1s", 1), ("0", 0), ("0s", 0), ("5000000000", 5)]
)
def test_bundles_are_refreshed_as_often_as_the_file_says_or_never(
    text: str, seconds: float
) -> None:
    assert manager(f"bundleRefreshInterval: {text}\n").bundle_refresh_interval_seconds == seconds


@pytest.mark.parametrize("text", ["-1m", "999ms", "1ns", "often"])
def test_a_pause_between_refreshes_is_a_second_or_more_or_none(text: str) -> None:
    (problem,) = problems(f"bundleRefreshInterval: {text}\n")
    assert "bundleRefreshInterval" in problem
    assert text in problem


def test_a_server_elsewhere_is_reached_over_tcp() -> None:
    settings = read("spireServerAddress: spire:8081\nspireServerSocketPath: /agent.sock\n")
    assert settings.spire == TCPAddress("spire", 8081, Path("/agent.sock"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1m30s", 90), ("10000000000", 10), ('"500ms"', 0.5)]
)
def test_a_duration_is_gos_notation_or_nanoseconds(text: str, seconds: float) -> None:
    assert read(f"gcInterval: {text}\n").drift_interval_seconds == seconds


@pytest.mark.parametrize(
    "text", ["10", "soon", "[a]", "true", "1.5", "10x", "1e30", "3 s", "9" * 60]
)
def test_a_duration_that_is_none_or_has_no_unit_is_refused(text: str) -> None:
    (found,) = problems(f"gcInterval: {text}\n")
    assert found.startswith("f:5:13: gcInterval: ")
    assert "nanoseconds" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("watchClasless: true\n", "did you mean watchClassless?"),
        ("leaderElection: {leaderElct: true}\n", "did you mean leaderElection.leaderElect?"),
        ("leaderElection: true\n", "must be a mapping of keys such as leaderElect, not true"),
        ("clusterSPIFFEIDLabelSelector: {a b: c}\n", "'a b' cannot be the name of a label"),
        ("clusterSPIFFEIDLabelSelector: {a: [b]}\n", "labels.a: must be the one value"),
        (
            "clusterSPIFFEIDLabelSelector: {matchLabels: {a: b}, c: d}\n",
            "c beside matchLabels: write every label under it",
        ),
        (
            "clusterSPIFFEIDLabelSelector: {matchExpressions: [{key: a}]}\n",
            "matchExpressions: write the labels and their values alone",
        ),
        ("cacheNamespace: A b\n", "use at most 63 lower case letters"),
        ("ignoreNamespaces: [(]\n", "is no regular expression"),
        ("logEncoding: xml\n", "must be console or json"),
        ("entryIDPrefix: a\nentryIDPrefixCleanup: a\n", "name another one"),
        ("filterByClassName: true\n", "needs className"),
        ("webhook: {port: 70000}\n", "from 1 to 65535"),
        ("cacheNamespaces: {a: {labelSelector: x}}\n", "there are labelSelectors and"),
        ("cacheNamespaces: a\n", "cacheNamespaces: must be a mapping such as {shop: {}}"),
        (
            "cacheNamespaces: {a: {labelSelectors: {matchLabels: {b: c}}}}\n",
            "a.labelSelectors.matchLabels: must be the one value that is wanted, not a block",
        ),
        (
            "cacheNamespaces: {a: {fieldSelectors: {status.phase: [b]}}}\n",
            "a.fieldSelectors.status.phase: must be the one value that is wanted, not a list",
        ),
        ("clusterName: again\n", "stands twice, first in line 3"),
        ("leaderElection: {leaseDuration: 5s}\n", "not less than the lease duration of 5 s"),
        ("a: [\n", "did not find expected"),
    ],
)
def test_a_mistake_names_its_place(text: str, message: str) -> None:
    found = problems(text)
    assert any(message in problem for problem in found), found
    assert all(problem.startswith("f") for problem in found)


def test_all_mistakes_are_told_together() -> None:
    assert len(problems("gcInterval: 1\nnonsense: 1\nlogLevel: loud\n")) == 3


def test_keys_that_do_nothing_here_are_warned_of() -> None:
    warnings = read("enableEntryRenderCache: true\ncontroller: {x: 1}\n").warnings
    assert [warning.split(" ")[2] for warning in warnings] == [
        "enableEntryRenderCache",
        "controller",
    ]


def test_webhooks_are_off_when_the_environment_says_so_or_there_is_no_cluster() -> None:
    assert manager("").webhooks == Webhooks()
    assert manager("", environment={"ENABLE_WEBHOOKS": "false"}).webhooks is None
    found = manager("staticManifestPath: /m\nexpandEnvStaticManifests: true\n")
    assert found.webhooks is None
    assert found.static_manifests == StaticManifests(Path("/m"), expand_env=True)


def test_flags_override_what_both_configurations_have() -> None:
    assert read("", kubeconfig="/k", drift_interval="5s").kubeconfig == Path("/k")
    (found,) = problems("", pod_label="x")
    assert found.startswith("--pod-label: goes with")


def test_the_environment_is_expanded_as_go_does() -> None:
    text, environment = "$A ${B}c ${MISSING} $$ $1x", {"A": "a", "B": "b"}
    assert expand_environment(text, environment) == "a bc   x"
    assert unset_variables(text, environment) == ["$", "1", "MISSING"]


@pytest.mark.parametrize(
    ("text", "unset"),
    [
        ("# $A\na: $B # $C\n  # ${D}\n", ["B"]),
        ("a = \"$A # $B\" # $C\n// $D\n/* $E\n$F */ b = '# $G'\n", ["A", "B", "G"]),
        ('a = "\\" # $A"\nurl = "http://$B" # $A "\n', ["A", "B"]),
        ("url: http://$A/#$B\n", ["A", "B"]),
        ("it's: $A # $B\n", ["A"]),
        ("a: $A # $A\n/* $B", ["A", "B"]),
        ("a = <<-X\n# $A\n  X\nb = <<Y\n// $B\nY\n# $C\n", ["A", "B"]),
    ],
    ids=["yaml", "hcl", "escaped", "within-a-word", "apostrophe", "no-end", "heredoc"],
)
def test_nobody_misses_a_variable_that_stands_in_a_comment_only(
    text: str, unset: list[str]
) -> None:
    assert unset_variables(text, {}) == unset
    assert "$" not in expand_environment(text, {})


def test_the_language_of_a_file_decides_what_a_comment_in_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("clusterName: a # $B\ntrustDomain: example.org\nclassName: //$A\n")
    found = examine(path, expand_env=True, environment={})
    assert [warning for warning in found.warnings if "is not set" in warning] == [
        "$A is not set: it counts as empty"
    ]


def test_yaml_knows_only_the_hash_as_a_comment() -> None:
    text = "a: //$A:8081\nb: /* $B */ # $C\n"
    assert unset_variables(text, {}, is_yaml=True) == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("search ns.svc.k8s.test svc.k8s.test k8s.test\n", "k8s.test"),
        ("nameserver 10.0.0.1\nsearch example.org\n", "cluster.local"),
        ("", "cluster.local"),
    ],
)
def test_the_cluster_domain_is_found_in_the_resolver_configuration(text: str, domain: str) -> None:
    assert detect_cluster_domain(text) == domain


@pytest.mark.parametrize(
    ("text", "refuses"),
    [("", False), ("invalidDNSNames: omit\n", False), ("invalidDNSNames: refuse\n", True)],
)
def test_the_original_s_answer_to_a_bad_dns_name_is_a_choice(text: str, refuses: bool) -> None:
    assert manager(text).refuses_dns_names is refuses


def test_another_answer_to_a_bad_dns_name_is_refused() -> None:
    (found,) = problems("invalidDNSNames: maybe\n")
    assert 'must be one of "omit", "refuse"' in found
