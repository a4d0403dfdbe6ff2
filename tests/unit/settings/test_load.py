"""From a file and flags to Settings, or to every mistake in them with its place."""

from pathlib import Path

import pytest

from registrar.settings.load import interpret, load
from registrar.settings.model import (
    DeletionBudget,
    LeaderElection,
    PodIdentity,
    Settings,
    TCPAddress,
    UnixAddress,
)
from registrar.settings.problems import ConfigError, ConfigProblem

PATH = Path("registrar.conf")
REQUIRED = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'


def settings(more: str = "", **flags: str) -> Settings:
    """The settings of a file with the required keys and ``more``."""
    return interpret(REQUIRED + more, path=PATH, overrides=flags)


def problems(text: str, **flags: str) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigError) as caught:
        interpret(text, path=PATH, overrides=flags)
    return caught.value.problems


def problem(more: str, **flags: str) -> ConfigProblem:
    """The only problem of a file with the required keys and ``more`` after them."""
    (found,) = problems(REQUIRED + more, **flags)
    return found


def test_a_file_with_the_required_keys_gives_the_defaults() -> None:
    assert settings() == Settings(
        cluster="c", trust_domain="example.org", spire=UnixAddress(Path("/s"))
    )


def test_the_file_of_the_layered_registrar_works_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "spire-k8s-registrar.conf"
    file.write_text("""
  # as its users have it
  cluster = "staging-1"
  log_level = "DEBUG"
  log_path = "/var/log/registrar.log"
  metrics_addr = "0.0.0.0:9090"
  server_socket_path = "/run/spire/sockets/agent.sock"
  server_address = "spire.example.org:8081"
  trust_domain = "example.org"
  pod_controller = true
  pod_label = "spiffe"
  pod_annotation = ""
  leader_election = true
""")
    assert load(file) == Settings(
        cluster="staging-1",
        trust_domain="example.org",
        spire=TCPAddress("spire.example.org", 8081, Path("/run/spire/sockets/agent.sock")),
        pods=PodIdentity("label", "spiffe", frozenset({"kube-system", "kube-public"})),
        leader_election=LeaderElection(None, "spire-registrar", 15.0, 10.0, 2.0),
        metrics_addr="0.0.0.0:9090",
        log_level="debug",
        log_path=Path("/var/log/registrar.log"),
    )


def test_every_key_of_ours_is_read() -> None:
    read = settings("""
      class_name = "blue"
      entry_id_prefix = "c-1"
      adoption_policy = "refuse"
      pod_controller = true
      disabled_namespaces = ["a", "b"]
      drift_interval = "1m30s"
      deletion_budget_count = 5
      deletion_budget_fraction = 0.5
      allow_mass_deletion = true
      leader_election = true
      leader_election_namespace = "spire"
      leader_election_name = "mine"
      leader_election_lease_duration = 3
      leader_election_renew_deadline = "2s"
      leader_election_retry_period = 0.5
      log_format = "json"
      kubeconfig = "/k"
    """)
    assert read == Settings(
        cluster="c",
        trust_domain="example.org",
        spire=UnixAddress(Path("/s")),
        class_name="blue",
        entry_id_prefix="c-1",
        adoption_policy="refuse",
        pods=PodIdentity("service_account", "", frozenset({"a", "b"})),
        leader_election=LeaderElection("spire", "mine", 3.0, 2.0, 0.5),
        drift_interval_seconds=90.0,
        deletion_budget=DeletionBudget(5, 0.5, allow_mass_deletion=True),
        log_format="json",
        kubeconfig=Path("/k"),
    )


def test_the_same_keys_are_read_from_json() -> None:
    text = '{"cluster": "c", "trust_domain": "example.org", "server_socket_path": "/s"}'
    assert interpret(text, path=PATH) == settings()


def test_an_annotation_chooses_the_identity_when_it_is_given() -> None:
    read = settings('pod_controller = true\npod_annotation = "spiffe.io/id"')
    assert read.pods is not None
    assert (read.pods.mode, read.pods.key) == ("annotation", "spiffe.io/id")


def test_a_label_alone_does_not_turn_the_pod_controller_on() -> None:
    assert settings('pod_label = "spiffe"').pods is None


def test_instances_of_different_classes_hold_different_leases() -> None:
    read = settings('leader_election = true\nclass_name = "blue"')
    assert read.leader_election is not None
    assert read.leader_election.name == "spire-registrar-blue"


def test_a_flag_wins_over_the_file() -> None:
    read = settings(
        'drift_interval = "5s"\npod_label = "x"\ndisabled_namespaces = []',
        drift_interval="1m",
        pod_label="",
        disabled_namespaces="a, b",
        pod_controller="true",
        deletion_budget_count="7",
        cluster="5",
    )
    assert read.drift_interval_seconds == 60.0
    assert read.pods == PodIdentity("service_account", "", frozenset({"a", "b"}))
    assert read.deletion_budget.count == 7
    assert read.cluster == "5"


def test_a_problem_with_a_flag_names_the_flag() -> None:
    found = problem("", drift_interval="soon")
    assert (found.path, found.line, found.field) == (None, None, "--drift-interval")
    assert str(found).startswith("--drift-interval: must be a duration")


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("pod_lable", "pod_label"),
        ("drift_interval_seconds", "drift_interval"),
        ("Cluster", "cluster"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_key(
    key: str, near: str
) -> None:
    found = problem(f"\n{key} = 1")
    assert (found.path, found.line, found.column, found.field) == (PATH, 5, 1, key)
    assert found.message == f"unknown key; did you mean {near}?"


def test_an_unknown_key_like_no_other_is_only_named() -> None:
    assert str(problem("xyzzy = 1")) == "registrar.conf:4:1: xyzzy: unknown key"


def test_everything_that_is_wrong_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = """
      trust_domain = "Example.org"
      log_level = "loud"
      log_level = "info"
      drift_interval = -1
      pod_lable = "x"
      disabled_namespaces = ["a", true]
    """
    found = [(problem.field, problem.line) for problem in problems(text, metrics_addr="x")]
    assert found == [
        ("--metrics-addr", None),
        ("cluster", None),
        ("server_socket_path", None),
        ("trust_domain", 2),
        ("log_level", 3),
        ("log_level", 4),
        ("drift_interval", 5),
        ("pod_lable", 6),
        ("disabled_namespaces", 7),
    ]


def test_the_error_has_one_line_per_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        interpret("a = 1\nb = 2", path=PATH)
    assert str(caught.value).splitlines() == [
        "registrar.conf: cluster: missing; this key is required",
        "registrar.conf: trust_domain: missing; this key is required",
        "registrar.conf: server_socket_path: missing; this key is required",
        "registrar.conf:1:1: a: unknown key",
        "registrar.conf:2:1: b: unknown key",
    ]


def test_a_required_key_with_an_empty_text_is_missing() -> None:
    found = problems(REQUIRED.replace('"c"', '""'))
    assert [(each.field, each.line) for each in found] == [("cluster", 1)]


def test_a_key_that_stands_twice_names_both_lines() -> None:
    found = problem('log_level = "info"\nlog_level = "info"')
    assert str(found) == "registrar.conf:5:1: log_level: stands twice, first in line 4"


def test_a_block_where_a_value_belongs_is_a_wrong_type() -> None:
    assert problem("drift_interval { a = 1 }").message.endswith("not a block")


def test_a_syntax_error_has_line_and_column() -> None:
    (found,) = problems("cluster = main")
    assert (found.line, found.column, found.field) == (1, 11, "")


def test_an_address_without_the_agents_socket_says_what_the_socket_is_for() -> None:
    (found,) = problems('cluster = "c"\ntrust_domain = "d"\nserver_address = "s:1"')
    assert found.field == "server_socket_path"
    assert "Workload API" in found.message


def test_label_and_annotation_exclude_each_other() -> None:
    found = problem('pod_label = "a"\npod_annotation = "b"')
    assert (found.field, found.line) == ("pod_annotation", 5)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ('leader_election_lease_duration = "10s"', "leader_election_renew_deadline"),
        ("leader_election_retry_period = 10", "leader_election_retry_period"),
    ],
)
def test_the_times_of_a_lease_must_leave_room_for_each_other(more: str, field: str) -> None:
    found = problem(more)
    assert found.field == field
    assert "is not less than" in found.message


def test_a_wrong_duration_of_a_lease_is_not_reported_twice() -> None:
    assert problem('leader_election_renew_deadline = "x"').line == 4


def test_a_class_name_that_no_lease_can_have_asks_for_a_name() -> None:
    assert settings('class_name = "A_b"').class_name == "A_b"
    found = problem('class_name = "A_b"\nleader_election = true')
    assert (found.field, found.line) == ("class_name", 4)
    assert "give leader_election_name" in found.message
    named = settings('class_name = "A_b"\nleader_election = true\nleader_election_name = "x"')
    assert named.leader_election == LeaderElection(None, "x")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path / 'none'}: cannot be read: No such file or directory"


def test_a_file_that_is_not_text_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(b"a = 1\n\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}:2: is not UTF-8 text"
