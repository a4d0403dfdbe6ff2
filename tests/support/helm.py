"""The chart as Helm renders and installs it, and what is Helm's own in that."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from api.codec import JSONObject, JSONValue, encode
from api.documents import load_yaml_documents
from hack import tool_build
from registrar.settings.csi import interpret_csi
from registrar.settings.load import interpret
from tests.support.manifests import Rendered

CHART = Path(__file__).resolve().parents[2] / "charts/spire-registrar"
HELMS_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart")
_KUSTOMIZES_HASH = re.compile(r"-[0-9a-z]{10}$")


def helm(*arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm, with nothing of the user's around it."""
    command = [str(tool_build.required(tool_build.HELM) / "helm"), *arguments]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment["KUBECONFIG"] = os.devnull if kubeconfig is None else str(kubeconfig)
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def template(*sets: str, namespace: str = "spire") -> Rendered:
    """The objects of a release with these values, hooks too."""
    finished = helm("template", "identities", str(CHART), "--namespace", namespace, *_given(sets))
    assert finished.returncode == 0, finished.stderr
    documents = load_yaml_documents(finished.stdout)
    return Rendered(tuple(each for each in documents if isinstance(each, dict)))


def refusal(*sets: str) -> str:
    """What Helm says about values that it must refuse."""
    finished = helm("template", "identities", str(CHART), *_given(sets))
    assert finished.returncode != 0, "these values were taken"
    return finished.stderr


def _given(sets: Sequence[str]) -> list[str]:
    return [word for each in sets for word in ("--set-json", each)]


def by_name(rendered: Rendered) -> dict[str, JSONObject]:
    """A release's objects as they are."""
    return {_name(each): each for each in rendered.objects}


def without_helms_own(rendered: Rendered) -> dict[str, JSONObject]:
    """A release's objects by name, without hooks, and without what Helm alone needs."""
    found = {}
    for each in rendered.objects:
        metadata = mapping(each["metadata"])
        annotations = mapping(metadata.get("annotations", {}))
        if "helm.sh/hook" in annotations:
            continue
        labels = mapping(metadata["labels"])
        assert [label for label in HELMS_LABELS if label not in labels] == [], metadata["name"]
        _put(metadata, "labels", _without(labels, *HELMS_LABELS))
        _put(metadata, "annotations", _without(annotations, "helm.sh/resource-policy"))
        template_ = mapping(mapping(each.get("spec", {})).get("template", {}))
        if template_:
            pods = mapping(template_["metadata"])
            pods["annotations"] = _without(mapping(pods["annotations"]), "checksum/config")
        found[_name(each)] = _comparable(each)
    return found


def without_kustomizes_own(rendered: Rendered) -> dict[str, JSONObject]:
    """The objects of a kustomization, without the Namespace and the hashes in names."""
    maps = {str(mapping(each["metadata"])["name"]) for each in rendered.of_kind("ConfigMap")}
    found = {}
    for each in rendered.objects:
        if each["kind"] == "Namespace":
            continue
        renamed = mapping(_renamed(each, maps))
        found[_name(renamed)] = _comparable(renamed)
    return found


def _put(metadata: JSONObject, name: str, value: JSONObject) -> None:
    """Set what is there to be set: an empty mapping says the same as none."""
    metadata.pop(name, None)
    if value:
        metadata[name] = value


def _renamed(value: JSONValue, names: set[str]) -> JSONValue:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return _KUSTOMIZES_HASH.sub("", value) if isinstance(value, str) and value in names else value


def _comparable(document: JSONObject) -> JSONObject:
    """An object with the settings of its configuration file in the place of the text."""
    if document["kind"] != "ConfigMap":
        return mapping(_in_order(document))
    data = {name: _settings(name, str(text)) for name, text in mapping(document["data"]).items()}
    return {**document, "data": dict(data)}


def _in_order(value: JSONValue) -> JSONValue:
    """A value with what has no meaning made the same: the order of what has a name, and blanks.

    kustomize puts what it merged first, and doubles line ends within folded texts.
    """
    if isinstance(value, dict):
        return {key: _in_order(each) for key, each in value.items()}
    if isinstance(value, list):
        every = [_in_order(each) for each in value]
        are_named = all(isinstance(each, dict) and "name" in each for each in every)
        return sorted(every, key=encode) if are_named else every
    return " ".join(value.split()) if isinstance(value, str) else value


def _settings(name: str, text: str) -> str:
    path = Path("/etc", name)
    if name == "csi.conf":
        return repr(interpret_csi(text, path=path, environment={"NODE_NAME": "node"}))
    return repr(interpret(text, path=path, environment={}))


def _name(document: JSONObject) -> str:
    metadata = mapping(document["metadata"])
    return f"{document['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def _without(value: JSONObject, *names: str) -> JSONObject:
    return {name: each for name, each in value.items() if name not in names}


def mapping(value: JSONValue) -> JSONObject:
    """A value that must be a mapping."""
    assert isinstance(value, dict), value
    return value
