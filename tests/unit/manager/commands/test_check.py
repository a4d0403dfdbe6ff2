"""``check`` says whose file it is, in which mode and why, and all that is wrong, for people too."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from manager.cli import main

ROOT = Path(__file__).resolve().parents[4]
LAYERED = 'cluster = "c"\ntrust_domain = "example.org"\nserver_socket_path = "/s"\n'
MANAGER = "kind: ControllerManagerConfig\nclusterName: c\ntrustDomain: example.org\n"
OPERATOR = """\
apiVersion: spire.spiffe.io/v1alpha1
clusterDomain: ""
clusterName: test01
entryIDPrefix: test01
gcInterval: 0
ignoreNamespaces: [kube-system, openshift-*]
kind: ControllerManagerConfig
logEncoding: ""
logLevel: ""
metadata: {creationTimestamp: null, labels: {a: b}}
trustDomain: apps.example.org
webhook: {}
"""
CONTAINER = """\
{"name": "scm", "image": "ghcr.io/spiffe/spire-controller-manager:0.7.0",
 "args": ["--kubeconfig=/kubeconfigs/west", "--config=west.yaml"]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, where relative paths begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NODE_NAME", raising=False)
    return tmp_path


def check(
    capsys: pytest.CaptureFixture[str], text: str, *flags: str, name: str = "f"
) -> tuple[int, Mapping[str, object]]:
    """The exit code and the report of a file in the working folder."""
    Path(name).write_text(text)
    code = main(["check", name, "-o", "json", *flags])
    report = json.loads(capsys.readouterr().out)
    assert isinstance(report, dict)
    return code, report


def fields(report: Mapping[str, object]) -> list[object]:
    problems = report["problems"]
    assert isinstance(problems, list)
    return [problem["field"] for problem in problems]


def messages(report: Mapping[str, object]) -> str:
    return json.dumps([report["problems"], report["warnings"]])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "tool", "mode", "why"),
    [
        (LAYERED, "spire-k8s-registrar", "layered", "no key of another tool"),
        (LAYERED + 'addr = ":1"', "k8s-workload-registrar", "webhook", "it has addr; webhook is"),
        (LAYERED + 'mode = "reconcile"', "k8s-workload-registrar", "reconcile", "it has mode"),
        (LAYERED + 'mode = "crd"', "k8s-workload-registrar", "crd", "it has mode"),
        (OPERATOR, "spire-controller-manager", "cluster", "kind: ControllerManagerConfig"),
        (
            MANAGER + "staticManifestPath: /m\n",
            "spire-controller-manager",
            "static",
            "it has staticManifestPath; kind: ControllerManagerConfig",
        ),
        (
            MANAGER.replace("kind: ControllerManagerConfig\n", ""),
            "spire-controller-manager",
            "cluster",
            "it has clusterName",
        ),
        ('agent_admin_socket_path = "/a"', "spire-registrar csi", "csi", "it has agent_admin"),
        (
            'workload_api_socket_path = "/run/none/api.sock"',
            "spire-registrar csi",
            "csi",
            "it has workload_api_socket_path",
        ),
    ],
)
def test_a_right_file_is_known_with_its_mode_and_the_reason(
    text: str, tool: str, mode: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = check(capsys, text)
    assert (code, report["right"], report["problems"]) == (0, True, [])
    assert (report["tool"], report["mode"]) == (tool, mode)
    assert str(report["why"]).startswith(why)


@pytest.mark.usefixtures("folder")
def test_errors_and_warnings_come_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = check(
        capsys,
        MANAGER + "grpc: {maxCallRecvMsgSize: 1}\ncacheNamespace: shop\nlogLevel: loud\n"
        "parentIDTemplate: '{{ .X'\ngcInterval: 5\nwebhook: {certDir: /c}\n",
        "--pod-label=a",
    )
    assert (code, report["right"]) == (2, False)
    assert report["tool"] == "spire-controller-manager"
    assert fields(report) == ["--pod-label", "logLevel", "parentIDTemplate", "gcInterval"]
    assert report["warnings"] == [
        "line 4: grpc does nothing here: pages adapt to the size that the server allows",
        (
            "line 9: webhook.certDir does nothing here: the certificate comes from SPIRE and "
            "stays in memory"
        ),
        "line 5: cacheNamespace is deprecated: it counts as cacheNamespaces: {shop: {}}",
    ]


@pytest.mark.usefixtures("folder")
def test_every_template_that_is_wrong_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    templates = (
        'identity_template = "{{.Pod.Nam}}"\n'
        'dns_name_templates = ["{{.Pod.Name}}", "{{.X", "{{.Pod.Y}}"]\n'
    )
    for head in (LAYERED, LAYERED.replace("example.org", "Example.org")):
        _, report = check(capsys, head + 'mode = "crd"\n' + templates)
        found = [field for field in fields(report) if field != "trust_domain"]
        assert found == ["identity_template", "dns_name_templates[1]", "dns_name_templates[2]"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONTAINER, "this is a container of a Pod, and no configuration: check the file"),
        (CONTAINER, "--config names, west.yaml"),
        ("kind: ConfigMap\ndata: {a.yaml: x, b.conf: y}\n", "check each as a file of its own: a.y"),
        ("kind: ClusterSPIFFEID\nspec: {}\n", "apply it to a cluster"),
        ("kind: StatefulSet\n", "that its container's --config names"),
        ("kind: ClusterRole\n", "is no configuration: it must be ControllerManagerConfig"),
        ("replicas: 3\nfoo: {}\n", "it reads as YAML, but has none of kind, apiVersion"),
        ('server {\n trust_domain = "x"\n}\n', "SPIRE server's or agent's own file"),
        ("cluster = x\n", 'write \\"x\\"'),
        ('workload_api_socket_path = "/run/none/api.sock"\nfoo = 1\n', "unknown key"),
    ],
)
def test_what_is_no_configuration_is_told_with_what_to_check_instead(
    text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = check(capsys, text)
    assert code == 2
    assert words in messages(report)


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_not_there_is_an_error_like_any_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "nowhere"]) == 2
    assert "nowhere: cannot be read: No such file" in capsys.readouterr().err
    assert main(["check", "nowhere", "-o", "yaml"]) == 2
    report = yaml.safe_load(capsys.readouterr().out)
    assert (report["right"], report["tool"]) == (False, "")


def test_for_a_person_there_is_a_line_for_each_thing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.yaml").write_text(MANAGER + "logLevel: loud\ngrpc: {a: 1}\n")
    assert main(["check", "m.yaml"]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "m.yaml: wrong, 1 mistake",
        (
            "m.yaml: a file of spire-controller-manager in cluster mode (kind: "
            "ControllerManagerConfig)"
        ),
    ]
    error, warning = said.err.splitlines()
    assert error.startswith("spire-registrar: m.yaml:4:11: logLevel: must be one of")
    assert warning.startswith("spire-registrar: m.yaml: warning: line 5: grpc does nothing here")


@pytest.mark.usefixtures("folder")
def test_a_file_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "a", "--config", "b"])
    assert ended.value.code == 2
    assert "give FILE or --config, not both" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Exit code 0: the file is right, though there may be warnings. 2: the file is" in shown


@pytest.mark.usefixtures("folder")
def test_every_file_that_is_shipped_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = [
        path
        for path in (*ROOT.glob("config/**/*.conf"), *ROOT.glob("config/**/*-config.yaml"))
        if path.name not in {"server.conf", "agent.conf"}
    ]
    samples = sorted((ROOT / "docs/reference/samples").iterdir())
    assert len(shipped) > 5
    for path in (*shipped, *samples):
        assert main(["check", str(path)]) == 0, capsys.readouterr().err
