"""What brings a CustomResourceDefinition to its end when its API server has given up on it."""

from typing import Protocol

import msgspec

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class RunKubectl(Protocol):
    """Runs kubectl with these arguments and returns what it writes."""

    def __call__(self, *arguments: str) -> str:
        """Run it; ServerError if it fails."""
        ...


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str


class _Condition(msgspec.Struct):
    reason: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] = []


class _Definition(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)


class _Definitions(msgspec.Struct):
    items: list[_Definition]


def nudge(run_kubectl: RunKubectl) -> None:
    """Change each definition that does not go, so that kube-apiserver tries again at once.

    Before a definition goes, kube-apiserver deletes its objects. If it can't list them just then
    ("storage is (re)initializing", when other definitions come and go too), it may lose its next
    attempt: it looks again after five minutes, or as soon as the definition changes.

    Raises:
        ServerError: from `run_kubectl`.

    """
    found = msgspec.json.decode(run_kubectl("get", _CRDS, "--output=json"), type=_Definitions)
    for definition in found.items:
        if _has_failed(definition):
            # By a selector, so that one that went meanwhile is no error.
            selector = f"--field-selector=metadata.name={definition.metadata.name}"
            change = f"nudged-at={definition.metadata.resource_version}"
            run_kubectl("annotate", _CRDS, selector, change, "--overwrite")


def does_not_go(document: object) -> bool:
    """Tell whether the API server's last attempt to delete this definition has failed.

    `document` is the definition as JSON says it.
    """
    return _has_failed(msgspec.convert(document, _Definition))


def _has_failed(definition: _Definition) -> bool:
    return any(each.reason == "InstanceDeletionFailed" for each in definition.status.conditions)
