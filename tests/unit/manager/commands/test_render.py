"""`spire-registrar render` with Pods from files: no cluster, what is printed, the exit codes."""

import io
import json
from pathlib import Path

import pytest
import yaml

from manager.cli import main

PODS = """
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  uid: 11111111-2222-3333-4444-555555555555
  labels: {app: web}
spec: {serviceAccountName: front, nodeName: node-1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {}}}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, uid: node-uid}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
"""
OBJECT = """
apiVersion: spire.spiffe.io/v1alpha1
kind: ClusterSPIFFEID
metadata: {name: by-app}
spec:
  spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/{{ .PodMeta.Labels.app }}'
  dnsNameTemplates: ['{{ .PodMeta.Name }}.{{ .ClusterDomain }}', '{{ .PodMeta.Name }}..x']
  podSelector: {matchLabels: {app: web}}
  namespaceSelector: {matchLabels: {team: blue}}
"""
CRD_MODE = """
trust_domain = "example.org"
cluster = "demo"
mode = "crd"
identity_template = "team/{{.Context.Team}}/{{.Pod.ServiceAccount}}"
context { Team = "blue" }
server_socket_path = "/run/spire.sock"
leader_election = false
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    # Whoever asked a cluster would fail at once.
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    Path("pods.yaml").write_text(PODS, encoding="utf-8")
    Path("object.yaml").write_text(OBJECT, encoding="utf-8")


def render(*flags: str) -> int:
    return main(["render", *flags])


def test_a_template_is_rendered_for_each_pod_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    text = "{{ .PodMeta.Namespace }}/{{ .PodSpec.ServiceAccountName }} of {{ .Owner.Kind }}"
    assert render("--template", text, "--pods", "pods.yaml") == 0
    out = capsys.readouterr().out
    assert "  shop/web-1\n    text            shop/front of Pod\n" in out
    assert "  shop/api-pod\n    text            shop/default of Deployment\n" in out
    assert "note: made up: its uid, its Node" in out


def test_an_error_is_gos_with_the_place_marked(capsys: pytest.CaptureFixture[str]) -> None:
    code = render("--template", "x/{{ .PodMeta.Foo }}", "--pods", "pods.yaml", "pod/web-1")
    assert code == 1
    assert capsys.readouterr().out == (
        "template\n  shop/web-1\n"
        '    error: template: template:1:13: executing "template" at <.PodMeta.Foo>: '
        "can't evaluate field Foo in type *v1.ObjectMeta\n"
        "      x/{{ .PodMeta.Foo }}\n                   ^\n"
    ).replace("template:1:13", "template:1:13")


def test_a_text_that_is_no_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert render("--template", "a\n{{ .X }", "--pods", "pods.yaml") == 1
    out = capsys.readouterr().out
    assert 'error: template: template:2: unexpected "}" in operand\n    {{ .X }\n' in out


def test_an_object_is_rendered_for_the_pods_that_it_selects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert render("-f", "object.yaml", "--pods", "pods.yaml", "--trust-domain", "a.test") == 0
    out = capsys.readouterr().out
    assert "spiffe://a.test/web" in out
    assert "parent ID       spiffe://a.test/spire/agent/k8s_psat/cluster/node-uid\n" in out
    assert "k8s:pod-uid:11111111-2222-3333-4444-555555555555" in out
    assert "DNS names       web-1.cluster.local\n" in out
    assert "note: spec.dnsNameTemplates[1]" in out
    assert "api-pod" not in out


def test_a_pod_that_is_named_is_rendered_though_it_is_not_selected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert render("-f", "object.yaml", "--pods", "pods.yaml", "pod/api-pod", "-o", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)["rendered"]
    assert found["values"]["SPIFFE ID"] == ["spiffe://example.org/api"]
    assert any("do not select" in note for note in found["notes"])


def test_an_object_that_selects_nobody_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("object.yaml").write_text(OBJECT.replace("team: blue", "team: red"), encoding="utf-8")
    assert render("-f", "object.yaml", "--pods", "pods.yaml") == 0
    assert "note: it selects none of the 2 Pods" in capsys.readouterr().out


def test_what_is_wrong_with_one_object_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = OBJECT.replace("by-app", "wrong").replace("{{ .TrustDomain }}", "{{ .TrustDomain")
    shape = (
        OBJECT.replace("by-app", "shape")
        .replace("spiffeIDTemplate:", "x:", 1)
        .replace("podSelector: {matchLabels: {app: web}}", "podSelector: 5")
    )
    Path("object.yaml").write_text(f"{wrong}---{shape}---{OBJECT}", encoding="utf-8")
    assert render("-f", "object.yaml", "--pods", "pods.yaml", "-o", "yaml") == 1
    found = yaml.safe_load(capsys.readouterr().out)["rendered"]
    by_name = {each["object"]: each for each in found}
    assert "spec.spiffeIDTemplate" in by_name["ClusterSPIFFEID/wrong"]["error"]
    assert by_name["ClusterSPIFFEID/wrong"]["place"][0].startswith("spiffe://{{ .TrustDomain")
    assert "podSelector" in by_name["ClusterSPIFFEID/shape"]["error"]
    assert by_name["ClusterSPIFFEID/by-app"]["values"]


def test_objects_and_pods_may_come_together_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OBJECT}---{PODS}"))
    assert render("-f", "-") == 0
    assert "spiffe://example.org/web" in capsys.readouterr().out


def test_a_list_as_kubectl_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    items = [each for each in yaml.safe_load_all(PODS) if each]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    Path("pods.yaml").write_text(json.dumps(listed), encoding="utf-8")
    assert render("-f", "object.yaml", "--pods", "pods.yaml") == 0
    assert "spiffe://example.org/web" in capsys.readouterr().out


def test_the_templates_of_crd_mode(capsys: pytest.CaptureFixture[str]) -> None:
    Path("crd.conf").write_text(CRD_MODE, encoding="utf-8")
    assert render("--config", "crd.conf", "--pods", "pods.yaml", "pod/web-1") == 0
    out = capsys.readouterr().out
    assert "crd mode\n  shop/web-1\n" in out
    assert "spiffe://example.org/team/blue/front" in out


def test_a_template_to_try_sees_what_crd_mode_shows(capsys: pytest.CaptureFixture[str]) -> None:
    Path("crd.conf").write_text(CRD_MODE, encoding="utf-8")
    text = "{{ .Pod.Name }}-{{ .Context.Team }}"
    flags = ("--config", "crd.conf", "--pods", "pods.yaml", "pod/web-1")
    assert render("--template", text, *flags) == 0
    assert "text            web-1-blue" in capsys.readouterr().out


def test_the_controller_managers_configuration_counts(capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ControllerManagerConfig",
        "trustDomain": "b.test",
        "clusterName": "prod",
        "ignoreNamespaces": ["^shop$"],
        "parentIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .NodeMeta.Foo }}",
    }
    Path("config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    flags = ("-f", "object.yaml", "--pods", "pods.yaml", "--config", "config.yaml")
    assert render(*flags) == 0
    assert "selects none of" in capsys.readouterr().out
    assert render(*flags, "pod/web-1") == 1
    out = capsys.readouterr().out
    assert "ignoreNamespaces leaves out its Namespace" in out
    assert "spiffe://{{ .TrustDomain }}/{{ .NodeMeta.Foo }}" in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--template", "x", "--pods", "missing.yaml"), "missing.yaml"),
        (("--template", "x", "--pods", "pods.yaml", "pod/nobody"), "there are: api-pod, web-1"),
        (("--template", "x", "--pods", "broken.yaml"), "broken.yaml"),
        (("--template", "x", "--config", "missing.yaml"), "missing.yaml"),
        (("--template", "x"), "KUBECONFIG"),
    ],
)
def test_what_is_wrong_with_the_input(
    capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str
) -> None:
    Path("broken.yaml").write_text("a: [", encoding="utf-8")
    assert render(*flags) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"), [((), "nothing to render"), (("web-1",), "write pod/NAME")]
)
def test_flags_that_say_too_little(
    capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SystemExit) as end:
        render(*flags)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_the_help_says_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        render("--help")
    words = " ".join(capsys.readouterr().out.split())
    for code in ("Exit code 0:", "1: a template", "2: a flag", "3: the cluster"):
        assert code in words
