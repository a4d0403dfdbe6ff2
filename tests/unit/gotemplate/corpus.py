"""The corpus: templates with their data, and what an engine answers.

``python -m tests.unit.gotemplate.corpus`` asks Go for all answers anew.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.tool_build import required
from registrar.gotemplate.errors import TemplateError, TemplateLimitError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value
from tests.unit.gotemplate.fixtures import typed_data

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.json"
NAME = "t"
POD: Mapping[str, object] = {
    "TrustDomain": "example.org",
    "ClusterName": "prod",
    "ClusterDomain": "cluster.local",
    "Owner": {"Kind": "Deployment", "Name": "web"},
    "PodMeta": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u-1",
        "resourceVersion": "12",
        "generation": 3,
        "creationTimestamp": "2026-01-02T15:04:05Z",
        "labels": {"app": "web", "app.kubernetes.io/name": "shop-web"},
        "annotations": {"path": "a/b c", "html": "<b>'x'</b>"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-abc",
                "uid": "r-1",
                "controller": True,
            }
        ],
    },
    "PodSpec": {
        "serviceAccountName": "web",
        "nodeName": "node-1",
        "restartPolicy": "Always",
        "priority": 5,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsUser": 1000},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "s"}],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}}],
        "containers": [
            {
                "name": "main",
                "image": "example.org/web:1",
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                ],
                "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
            },
            {"name": "side", "image": "example.org/side:2"},
        ],
    },
    "NodeMeta": {"name": "node-1", "uid": "n-1", "labels": {"zone": "a"}},
    "NodeSpec": {
        "podCIDR": "10.0.0.0/24",
        "providerID": "x://1",
        "taints": [{"key": "t", "effect": "NoSchedule"}],
    },
}

Answer = Mapping[str, str]
"""``output``, or ``error`` with the message; ``refused`` for what is beyond our limits."""


@dataclass(frozen=True, slots=True)
class Case:
    """One template and the kind of its data."""

    template: str
    kind: str
    data: Mapping[str, object] | None = None


def cases() -> list[Case]:
    """All cases of the corpus."""
    found: list[Case] = []
    kind = ""
    verbs: list[str] = []
    for line in (HERE / "corpus.txt").read_text(encoding="utf-8").splitlines():
        if not line or (line.startswith("#") and not kind):
            continue
        if line.startswith("== "):
            kind = line.removeprefix("== ")
        elif kind != "printf":
            found.append(Case(line.replace("\\n", "\n"), kind))
        elif line.startswith("verbs "):
            verbs = line.split()[1:]
        else:
            found += [
                Case(f'{{{{ printf "{verb}" {value} }}}}', "typed")
                for value in line.split()[1:]
                for verb in verbs
            ]
    return found


def data_of(case: Case) -> Value:
    """The data of a case, for our engine."""
    if case.kind == "typed":
        return typed_data()
    if case.kind == "none":
        return None
    given = POD if case.data is None else case.data
    owner = given.get("Owner")
    owner = owner if isinstance(owner, dict) else {}
    return pod_data(
        trust_domain=str(given.get("TrustDomain", "")),
        cluster_name=str(given.get("ClusterName", "")),
        cluster_domain=str(given.get("ClusterDomain", "")),
        pod_metadata=_object(given, "PodMeta"),
        pod_spec=_object(given, "PodSpec"),
        node_metadata=_object(given, "NodeMeta"),
        node_spec=_object(given, "NodeSpec"),
        owner_kind=str(owner.get("Kind", "")),
        owner_name=str(owner.get("Name", "")),
    )


def _object(given: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    found = given.get(name)
    return found if isinstance(found, dict) else None


def answer(case: Case) -> Answer:
    """What our engine answers."""
    try:
        text = Template.parse(NAME, case.template).render(data_of(case))
    except TemplateLimitError as error:
        return {"refused": str(error)}
    except TemplateError as error:
        return {"error": valid(str(error))}
    return {"output": valid(text)}


def valid(text: str) -> str:
    """The text as it comes out of JSON: runs of bytes that are no UTF-8 become one sign."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def question(case: Case) -> str:
    """A case as the oracle reads it."""
    asked: dict[str, object] = {"name": NAME, "template": case.template, "kind": case.kind}
    if case.kind == "pod":
        asked["data"] = POD if case.data is None else case.data
    return json.dumps(asked) + "\n"


def answers_of_go(oracle: Path, asked: Sequence[Case]) -> list[Answer]:
    """What Go answers to all of them."""
    done = subprocess.run(
        [oracle, "render"],
        input="".join(map(question, asked)).encode(),
        capture_output=True,
        check=True,
        env={"TZ": "UTC"},
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    lines = [
        json.dumps(found, ensure_ascii=False)
        for found in answers_of_go(required() / "templateoracle", cases())
    ]
    ANSWERS.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
