"""The modules of deploy/ as kustomize renders them, with the environment of each container."""

from pathlib import Path

import msgspec

from api.codec import JSONObject, convert
from tests.support.manifests import CONFIG, Rendered, render

DEPLOY = CONFIG.parent / "deploy"

MODULES = sorted(file.parent.name for file in DEPLOY.glob("*/namespace.yaml"))
"""What can be brought up and ended by itself."""

APPLIED = sorted(
    str(file.parent.relative_to(DEPLOY))
    for module in MODULES
    for folder in (DEPLOY / module, DEPLOY / "tests" / module)
    if (file := folder / "kustomization.yaml").exists()
)
"""Every folder that `kubectl apply -k` takes."""


class _Field(msgspec.Struct, rename="camel"):
    field_path: str


class _From(msgspec.Struct, rename="camel"):
    field_ref: _Field | None = None


class _Variable(msgspec.Struct, rename="camel"):
    name: str
    value: str = ""
    value_from: _From | None = None


class _Reference(msgspec.Struct):
    name: str


class _Source(msgspec.Struct, rename="camel"):
    config_map_ref: _Reference


class Container(msgspec.Struct, rename="camel"):
    name: str
    image: str
    args: list[str] = []
    env: list[_Variable] = []
    env_from: list[_Source] = []


class PodSpec(msgspec.Struct, rename="camel"):
    service_account_name: str = ""
    containers: list[Container] = []
    init_containers: list[Container] = []


class Metadata(msgspec.Struct):
    name: str
    namespace: str = ""
    labels: dict[str, str] = {}


class _Template(msgspec.Struct):
    spec: PodSpec


class _Spec(msgspec.Struct):
    template: _Template


class Workload(msgspec.Struct):
    kind: str
    metadata: Metadata
    spec: _Spec

    @property
    def pod(self) -> PodSpec:
        return self.spec.template.spec

    @property
    def server(self) -> str:
        """The server that it belongs to."""
        return self.metadata.labels.get("topology.spire.io/server", "")


class _ConfigMap(msgspec.Struct):
    metadata: Metadata
    data: dict[str, str] = {}


class Module:
    """One module, or what a kustomization in another folder makes of it."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self.rendered: Rendered = render(folder or DEPLOY / name)
        self.workloads = [
            convert(each, Workload)
            for each in self.rendered.of_kind("StatefulSet", "DaemonSet", "Deployment", "Job")
        ]
        self.configmaps = {
            each.metadata.name: each.data
            for each in (convert(one, _ConfigMap) for one in self.rendered.of_kind("ConfigMap"))
        }

    def named(self, kind: str, name: str) -> JSONObject:
        """The object of that name."""
        (found,) = (
            each
            for each in self.rendered.of_kind(kind)
            if convert(each["metadata"], Metadata).name == name
        )
        return found

    def environment(self, workload: Workload, container: Container) -> dict[str, str]:
        """What the container's environment will be, as far as it is known before it runs."""
        found: dict[str, str] = {}
        for source in container.env_from:
            found |= self.configmaps[source.config_map_ref.name]
        for variable in container.env:
            found[variable.name] = variable.value
            if variable.value_from is not None and variable.value_from.field_ref is not None:
                path = variable.value_from.field_ref.field_path
                found[variable.name] = {
                    "metadata.namespace": workload.metadata.namespace,
                    "status.hostIP": "192.0.2.1",
                    "metadata.name": "a-pod",
                    "spec.nodeName": "a-node",
                }[path]
        return found

    def file(self, workload: Workload, name: str) -> str:
        """A file of a ConfigMap that this server's workloads mount."""
        (found,) = {
            data[name]
            for map_name, data in self.configmaps.items()
            if name in data and map_name.startswith(f"{workload.server}-")
        }
        return found
