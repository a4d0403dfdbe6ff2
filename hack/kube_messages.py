"""Writes devcluster/kubeapi/messages.json: field numbers of the built-in kinds' protobuf form.

Reads the generated.proto files of k8s.io/api and k8s.io/apimachinery, which hack/tools brings
into the Go module cache, and keeps numbers, names and types only. kubectl sends some objects
(`create namespace`, `create configmap` …) in this form.

    python hack/kube_messages.py GOMODCACHE/k8s.io v0.36.3
"""

import json
import pathlib
import re
import sys

OUTPUT = pathlib.Path(__file__).parent.parent / "devcluster" / "kubeapi" / "messages.json"
ROOTS = {
    "admissionregistration/v1": "ValidatingWebhookConfiguration",
    "apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
    "batch/v1": "Job",
    "coordination/v1": "Lease",
    "core/v1": "Binding ConfigMap Endpoints Event Namespace Node Pod Secret Service ServiceAccount",
    "discovery/v1": "EndpointSlice",
    "events/v1": "Event",
    "networking/v1": "NetworkPolicy",
    "policy/v1": "PodDisruptionBudget",
    "rbac/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling/v1": "PriorityClass",
    "storage/v1": "CSIDriver",
}
SCALARS = {"string", "bool", "int32", "int64", "bytes", "double"}
MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
FIELD = re.compile(
    r"^\s*(?P<label>optional |repeated )?"
    r"(?:map<string, (?P<map>[.\w]+)>|(?P<type>[.\w]+)) (?P<name>\w+) = (?P<number>\d+);",
    re.MULTILINE,
)
PACKAGE = re.compile(r"^package ([\w.]+);", re.MULTILINE)

Message = dict[str, list[str]]


def full_name(name: str, package: str) -> str:
    """The type as the OpenAPI schemas name it, or the scalar."""
    if name in SCALARS:
        return name
    whole = name.lstrip(".") if "." in name else f"{package}.{name}"
    return re.sub(r"^k8s\.io\.", "io.k8s.", whole)


def read(path: pathlib.Path) -> dict[str, Message]:
    """The messages of one file."""
    source = path.read_text(encoding="utf-8")
    found = PACKAGE.search(source)
    package = found.group(1) if found else ""
    messages: dict[str, Message] = {}
    for name, body in MESSAGE.findall(source):
        fields: Message = {}
        for field in FIELD.finditer(body):
            kind = full_name(field["map"] or field["type"], package)
            mark = "map " if field["map"] else "list " if field["label"] == "repeated " else ""
            fields[field["number"]] = [field["name"], f"{mark}{kind}"]
        messages[full_name(name, package)] = fields
    return messages


def main() -> None:
    """Reads what the command line names and writes one message a line."""
    modules, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    messages: dict[str, Message] = {}
    for module in ("api", "apimachinery"):
        for path in sorted((modules / f"{module}@{version}").rglob("generated.proto")):
            messages.update(read(path))
    wanted = {
        f"io.k8s.api.{group.replace('/', '.')}.{kind}"
        for group, kinds in ROOTS.items()
        for kind in kinds.split()
    }
    kept: dict[str, Message] = {}
    while wanted:
        name = wanted.pop()
        if name in messages and name not in kept:
            kept[name] = messages[name]
            wanted |= {kind.rpartition(" ")[2] for _, kind in messages[name].values()}
    lines = [
        f"{json.dumps(name)}: {json.dumps(kept[name], separators=(',', ':'))}"
        for name in sorted(kept)
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
