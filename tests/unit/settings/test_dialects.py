"""How a file is known: by what stands in it, in YAML, JSON or HCL, however it was written."""

import json
from pathlib import Path

import pytest

from registrar.settings.load import interpret
from registrar.settings.model import Origin, Settings, WebhookMode
from registrar.settings.problems import ConfigError

PATH = Path("f")
REQUIRED = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
YAML = "kind: ControllerManagerConfig\nclusterName: c\ntrustDomain: example.org\n"
OBJECT = {
    "apiVersion": "spire.spiffe.io/v1alpha1",
    "kind": "ControllerManagerConfig",
    "metadata": {"creationTimestamp": None},
    "clusterName": "c",
    "trustDomain": "example.org",
    "gcInterval": 2.5e10,
    "webhook": {"port": 9443.0},
}


def read(text: str) -> Settings:
    return interpret(text, path=PATH)


def problems(text: str, path: Path = PATH) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        interpret(text, path=path)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_yaml(indent: str | int | None) -> None:
    found = read(json.dumps(OBJECT, indent=indent))
    assert found.origin.tool == "spire-controller-manager"
    assert (found.cluster, found.drift_interval_seconds) == ("c", 25)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + YAML,
        YAML.replace("\n", "\r\n"),
        "---\n" + YAML + "---\n",
        "# from a chart\n---\n" + YAML + "...\n",
        "".join(f"  {line}\n" for line in YAML.splitlines()),
        YAML.replace("kind: ControllerManagerConfig", '"kind": "ControllerManagerConfig" # ours'),
        YAML.replace("kind: ControllerManagerConfig\n", ""),
        YAML.replace("kind: ControllerManagerConfig", "kind: ''\napiVersion:"),
        YAML.replace("ControllerManagerConfig", "ProjectConfig"),
        "{kind: ControllerManagerConfig, clusterName: c, trustDomain: example.org}",
    ],
    ids=[
        "bom",
        "crlf",
        "marks",
        "comment",
        "indented",
        "quoted",
        "kindless",
        "empty kind",
        "old",
        "flow",
    ],
)
def test_yaml_is_the_controller_managers_however_it_is_written(text: str) -> None:
    found = read(text)
    assert found == read(YAML)
    assert found.warnings == ()
    assert (found.origin.tool, found.origin.mode) == ("spire-controller-manager", "cluster")


def test_further_documents_are_not_read_and_said_to_be_there() -> None:
    found = read("kind: ConfigMap\n---\n" + YAML + "---\n" + YAML.replace("c\n", "other\n"))
    assert found.cluster == "c"
    assert found.warnings == ("2 more documents in the file are not read",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: ConfigMap\napiVersion: v1\n", "f:1:1: kind: ConfigMap is no configuration"),
        ("kind: ControllerManagerConfig\n\tclusterName: c\n", "f:2:1: "),
        ('{"kind": "ControllerManagerConfig", "clusterName": ]}', "f:1:52: "),
        (YAML + "gcInterval: [", "f:5:1: "),
    ],
)
def test_a_mistake_in_yaml_is_told_as_one(text: str, words: str) -> None:
    assert problems(text)[0].startswith(words)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1e+10", 10),
        ("3.6e+12", 3600),
        ("1E10", 10),
        ("10_000_000_000", 10),
        ("+10000000000", 10),
        ("10000000000.0", 10),
        ("0x2540BE400", 10),
        ("0o112402762000", 10),
        ('"10000000000"', 10),
        ("1.5e9", 1.5),
        ("1h", 3600),
    ],
)
def test_numbers_are_read_as_gos_yaml_reads_them(written: str, seconds: float) -> None:
    assert read(YAML + f"gcInterval: {written}\n").drift_interval_seconds == seconds


@pytest.mark.parametrize("written", ["9443", "'9443'", "9443.0", "9.443e3", "0x24E3", "022343"])
def test_a_port_is_a_whole_number_however_it_is_written(written: str) -> None:
    found = read(YAML + f"webhook: {{port: {written}}}\n").controller_manager
    assert found is not None
    assert found.webhooks is not None
    assert found.webhooks.port == 9443


@pytest.mark.parametrize("written", ["0123", "1e10", "0x10", "1_000", "1.10", "12", "on"])
def test_a_text_stays_as_it_is_written_though_it_could_be_a_number(written: str) -> None:
    assert read(YAML.replace("clusterName: c", f"clusterName: {written}")).cluster == written


@pytest.mark.parametrize(
    ("written", "value"),
    [("yes", True), ('"true"', True), ("True", True), ("on", True), ("off", False), ("N", False)],
)
def test_a_boolean_may_be_written_in_words(written: str, value: object) -> None:
    found = read(YAML + f"watchClassless: {written}\n").controller_manager
    assert found is not None
    assert found.watch_classless is value


def test_a_number_of_many_digits_is_an_error_like_any_other() -> None:
    (found,) = problems(YAML + f"webhook: {{port: {'9' * 60}}}\n")
    assert "webhook.port: must be from 1 to 65535" in found


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (REQUIRED, Origin("spire-k8s-registrar", "layered", "no key of another tool")),
        (REQUIRED + 'mode = "crd"', Origin("k8s-workload-registrar", "crd", "it has mode")),
        (
            REQUIRED + 'addr = ":8443"',
            Origin("k8s-workload-registrar", "webhook", "it has addr; webhook is the default"),
        ),
        (YAML, Origin("spire-controller-manager", "cluster", "kind: ControllerManagerConfig")),
        (
            YAML + "staticManifestPath: /m\n",
            Origin("spire-controller-manager", "static", "it has staticManifestPath"),
        ),
    ],
)
def test_a_file_says_whose_it_is_and_which_mode_it_means(text: str, origin: Origin) -> None:
    found = read(text).origin
    assert (found.tool, found.mode) == (origin.tool, origin.mode)
    assert found.why.startswith(origin.why)


@pytest.mark.parametrize(
    ("keys", "modes"),
    [
        ("add_svc_dns_name = true", 'mode = "crd"'),
        ("pod_controller = false\nagent_socket_path = '/a'".replace("'", '"'), 'mode = "crd"'),
        ('controller_name = "x"', 'mode = "reconcile"'),
        ('leader_election = true\naddr = ":8443"', 'mode = "reconcile" or mode = "crd"'),
        ('context { a = "b" }', 'mode = "crd"'),
    ],
)
def test_keys_of_another_mode_ask_for_the_mode(keys: str, modes: str) -> None:
    text = REQUIRED + keys
    if "leader_election" not in keys:
        text += "\n"
    (found,) = problems(text)
    assert found.startswith("f: mode: missing: ")
    assert f"Write {modes}; or" in found
    for mode in ("webhook", "reconcile", "crd"):
        assert read(f'{text}\nmode = "{mode}"').origin.mode == mode


def test_the_name_of_the_file_alone_asks_too_and_zero_values_do_not_point() -> None:
    path = Path("k8s-workload-registrar.conf")
    (found,) = problems(REQUIRED + "pod_controller = true", path)
    assert "missing: it is named k8s-workload-registrar.conf, so the file is" in found
    assert "pod_controller" in found
    read_ = interpret(REQUIRED + 'controller_name = ""\nidentity_template = ""', path=path)
    assert isinstance(read_.workload_registrar, WebhookMode)


def test_the_node_drivers_file_is_known_and_its_own_check_is_named() -> None:
    (found,) = problems('# nodes\nagent_admin_socket_path = "/a"\nkubelet_dir = "/k"\n')
    assert found.startswith("f:2: agent_admin_socket_path: a key of the node driver's file")
    assert "spire-registrar csi --check" in found
