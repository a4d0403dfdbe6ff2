"""The manifests of config/ as kustomize renders them, and where a container's paths lead."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import yaml

from api.codec import JSONObject, convert
from api.documents import load_yaml_documents
from hack import tool_build

CONFIG = Path(__file__).resolve().parents[2] / "config"

KUSTOMIZATIONS = sorted(
    str(file.parent.relative_to(CONFIG))
    for file in CONFIG.rglob("kustomization.yaml")
    if yaml.safe_load(file.read_text(encoding="utf-8"))["kind"] == "Kustomization"
)
"""Every folder that `kubectl apply -k` takes."""


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class Port(msgspec.Struct, rename="camel"):
    container_port: int
    name: str = ""


class Mount(msgspec.Struct, rename="camel"):
    name: str
    mount_path: str
    read_only: bool = False


class _SecurityContext(msgspec.Struct, rename="camel"):
    run_as_user: int | None = None
    run_as_group: int | None = None
    read_only_root_filesystem: bool = False


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _HTTPGet(msgspec.Struct):
    port: int | str


class _Probe(msgspec.Struct, rename="camel"):
    http_get: _HTTPGet


class Container(msgspec.Struct, rename="camel"):
    """What the tests look at of a container."""

    name: str
    image: str
    args: list[str] = []
    env: list[_Variable] = []
    ports: list[Port] = []
    volume_mounts: list[Mount] = []
    security_context: _SecurityContext = msgspec.field(default_factory=_SecurityContext)
    liveness_probe: _Probe | None = None
    readiness_probe: _Probe | None = None
    startup_probe: _Probe | None = None

    @property
    def probes(self) -> list[_Probe]:
        """Those that it has."""
        every = (self.liveness_probe, self.readiness_probe, self.startup_probe)
        return [probe for probe in every if probe is not None]

    def config_path(self) -> str:
        """The file that its arguments name."""
        (place,) = (i for i, word in enumerate(self.args) if word in {"--config", "-config"})
        return self.args[place + 1]


class _HostPath(msgspec.Struct):
    path: str


class _CSI(msgspec.Struct, rename="camel"):
    driver: str
    volume_attributes: dict[str, str] = {}


class _ConfigMapSource(msgspec.Struct):
    name: str


class Volume(msgspec.Struct, rename="camel"):
    """A Pod's volume; of its sources at most one is there."""

    name: str
    host_path: _HostPath | None = None
    csi: _CSI | None = None
    config_map: _ConfigMapSource | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    """What the tests look at of a Pod."""

    containers: list[Container] = []
    volumes: list[Volume] = []
    security_context: _SecurityContext = msgspec.field(default_factory=_SecurityContext)

    def container(self, name: str) -> Container:
        """The one of that name."""
        (found,) = (each for each in self.containers if each.name == name)
        return found

    def user_of(self, container: Container) -> tuple[int | None, int | None]:
        """User and group that a container runs as; None is what its image says."""
        own, pod = container.security_context, self.security_context
        return (
            pod.run_as_user if own.run_as_user is None else own.run_as_user,
            pod.run_as_group if own.run_as_group is None else own.run_as_group,
        )

    def place_of(self, container: Container, path: PurePosixPath) -> "Place":
        """Where a path inside of the container leads. Raises LookupError: into its image."""
        mounts = [m for m in container.volume_mounts if path.is_relative_to(m.mount_path)]
        if not mounts:
            raise LookupError(f"{container.name}: {path} is in no volume")
        mount = max(mounts, key=lambda each: len(each.mount_path))
        (volume,) = (each for each in self.volumes if each.name == mount.name)
        return Place(volume, path.relative_to(mount.mount_path), is_writable=not mount.read_only)


@dataclass(frozen=True, slots=True)
class Place:
    """A path inside of a volume."""

    volume: Volume
    path: PurePosixPath
    is_writable: bool

    @property
    def on_the_node(self) -> PurePosixPath:
        """The same path in the node's file system."""
        assert self.volume.host_path is not None, self
        return PurePosixPath(self.volume.host_path.path) / self.path


class PodTemplate(msgspec.Struct):
    """The Pods of a workload, with their labels."""

    spec: PodSpec
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Spec(msgspec.Struct, rename="camel"):
    template: PodTemplate | None = None


class _Workload(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


class _ConfigMap(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Rendered:
    """All objects of one or several kustomizations."""

    objects: tuple[JSONObject, ...]

    def of_kind(self, *kinds: str) -> list[JSONObject]:
        """Those of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def pods(self) -> dict[str, PodSpec]:
        """The Pods of Deployments, StatefulSets and DaemonSets, and those that stand alone."""
        return {name: template.spec for name, template in self.templates().items()}

    def templates(self) -> dict[str, PodTemplate]:
        """The same, with their labels."""
        workloads = self.of_kind("Deployment", "StatefulSet", "DaemonSet")
        found = {
            made.metadata.name: made.spec.template
            for made in (convert(each, _Workload) for each in workloads)
            if made.spec.template is not None
        }
        for each in self.of_kind("Pod"):
            made = convert(each, PodTemplate)
            found[made.metadata.name] = made
        return found

    def configuration(self, pod: PodSpec, container: Container) -> str:
        """The text of the file that a container's arguments name."""
        place = pod.place_of(container, PurePosixPath(container.config_path()))
        assert place.volume.config_map is not None, place
        maps = (convert(each, _ConfigMap) for each in self.of_kind("ConfigMap"))
        (found,) = (each for each in maps if each.metadata.name == place.volume.config_map.name)
        return found.data[str(place.path)]


def render(folder: str | Path) -> Rendered:
    """What kustomize makes of a folder, one of config/ or an absolute one."""
    kubectl = tool_build.required() / "kubectl"
    finished = subprocess.run(
        [str(kubectl), "kustomize", str(CONFIG / folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    documents = load_yaml_documents(finished.stdout)
    return Rendered(tuple(each for each in documents if isinstance(each, dict)))


def compose(folder: Path, resources: Sequence[str], components: Sequence[str]) -> Path:
    """A kustomization of a user's own, made of folders of config/; gives its folder."""

    def from_there(names: Sequence[str]) -> list[str]:
        return [os.path.relpath(CONFIG / name, folder.resolve()) for name in names]

    document = {"resources": from_there(resources), "components": from_there(components)}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder
