"""The peer's installation as it runs: where it is, what it is told, and by which file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from api.codec import JSONObject
from api.meta import ObjectKey
from manager.migrate.objects import CONFIG_MAP, KINDS, WORKLOADS, AnyKind, Objects
from manager.migrate.peers import Peer, arguments_of, is_beside, runs
from manager.migrate.reading import at, key_of, mapping, mappings, number, text

FIELDS = ("containers", "initContainers")
_CONFIG = re.compile(r"--?config(=.*)?", re.DOTALL)
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Unclear(Exception):  # noqa: N818 - it is no fault of the program
    """Which installation is meant cannot be told, or it is not to be read; says what helps."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the peer runs: a container of a workload."""

    kind: str
    namespace: str
    name: str
    container: str
    field: str = FIELDS[0]
    """The list that the container is in."""

    @property
    def key(self) -> ObjectKey:
        """Of the workload."""
        return ObjectKey(self.namespace, self.name)

    @property
    def of(self) -> AnyKind:
        """The kind of the workload."""
        return KINDS[self.kind]

    @property
    def workload(self) -> str:
        """The workload in words."""
        return f"{self.kind} {self.namespace}/{self.name}"

    def __str__(self) -> str:
        """In words for people."""
        return f"{self.workload}, container {self.container}"

    def container_in(self, workload: JSONObject) -> JSONObject | None:
        """The container, or None where it was taken out."""
        for container in mappings(at(workload, "spec", "template", "spec", self.field)):
            if container.get("name") == self.container:
                return container
        return None


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration file: its name in the container, its text and where that comes from."""

    path: str
    text: str
    key: ObjectKey = field(default=ObjectKey("", ""))
    """The ConfigMap; empty where the file was given by hand."""
    entry: str = ""
    """Its name within the data of the ConfigMap."""

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs. ``container`` is the peer's, as it was before anything was swapped."""

    peer: Peer
    place: Place
    workload: JSONObject
    container: JSONObject

    @property
    def pod_spec(self) -> JSONObject:
        """The Pods' template."""
        return mapping(at(self.workload, "spec", "template", "spec"))

    @property
    def service_account(self) -> str:
        """What its Pods log in as."""
        return text(self.pod_spec.get("serviceAccountName")) or "default"

    @property
    def environment(self) -> dict[str, str]:
        """The variables whose values stand in the template; the namespace's too."""
        found: dict[str, str] = {}
        for variable in mappings(self.container.get("env")):
            name, value = text(variable.get("name")), text(variable.get("value"))
            field = text(at(variable, "valueFrom", "fieldRef", "fieldPath"))
            if field == "metadata.namespace":
                value = self.place.namespace
            if value or not variable.get("valueFrom"):
                found[name] = _expanded(value, found)
        return found

    @property
    def arguments(self) -> list[str]:
        """What the peer is told. Raises Unclear where a shell starts it."""
        arguments = arguments_of(self.container)
        if arguments is None:
            raise Unclear(
                f"{self.place}: its command is a shell's or another program's, so the registrar's "
                "arguments are not known: let command and args name them directly"
            )
        environment = self.environment
        return [_expanded(argument, environment) for argument in arguments]

    @property
    def is_sidecar(self) -> bool:
        """Whether other programs, such as the SPIRE server, are in the same Pod."""
        others = [c for c in mappings(self.pod_spec.get(FIELDS[0])) if not self._is_it(c)]
        return any(not is_beside(other) for other in others)

    @property
    def overlaps(self) -> bool:
        """Whether an update of the workload runs old and new Pods at the same time."""
        spec = mapping(self.workload.get("spec"))
        if self.place.kind == "StatefulSet":
            return number(spec.get("replicas"), 1) > 1
        return not (self.place.kind == "Deployment" and at(spec, "strategy", "type") == "Recreate")

    def _is_it(self, container: JSONObject) -> bool:
        return container.get("name") == self.place.container


def _expanded(value: str, environment: dict[str, str]) -> str:
    """With the variables that Kubernetes replaces; one that is not known stays as it is."""
    return _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), value)


async def find(
    objects: Objects, peer: Peer, *, namespace: str = "", workload: str = "", container: str = ""
) -> Installation:
    """The one that runs the peer. Raises Unclear and KubeError."""
    found = await _all(objects, peer, namespace, container)
    if workload:
        found = [each for each in found if _is_named(each.place, workload)]
    if not found:
        where = f"namespace {namespace}" if namespace else "the cluster"
        what = f"{workload} in {where}" if workload else where
        raise Unclear(
            f"no container of {what} runs {peer.name}, by its image or its command: name another "
            "namespace by --namespace, or, where the image is called otherwise, both --workload "
            "KIND/NAME and --container NAME"
        )
    if len(found) > 1:
        all_of_it = "; ".join(str(each.place) for each in found)
        raise Unclear(
            f"{len(found)} containers run {peer.name}: {all_of_it}. Choose one by --namespace, "
            "--workload KIND/NAME or --container NAME"
        )
    return found[0]


async def _all(objects: Objects, peer: Peer, namespace: str, container: str) -> list[Installation]:
    found: list[Installation] = []
    for kind in WORKLOADS:
        for document in await objects.all(kind, namespace):
            found += _in(peer, kind, document, container)
    return found


async def others(objects: Objects, peer: Peer, place: Place) -> list[Installation]:
    """Those that run the peer elsewhere in the cluster. Raises KubeError."""
    return [
        each
        for each in await _all(objects, peer, "", "")
        if str(each.place) != str(place) and number(at(each.workload, "spec", "replicas"), 1)
    ]


def _is_named(place: Place, workload: str) -> bool:
    kind, _, name = workload.rpartition("/")
    kinds = {place.kind.lower(), place.of.plural, place.of.resource, ""}
    return name == place.name and kind.lower() in kinds


def _in(peer: Peer, kind: AnyKind, document: JSONObject, container: str) -> Iterator[Installation]:
    """The containers of a workload that run the peer, or have the name that was given."""
    key = key_of(document)
    for listed in FIELDS:
        for each in mappings(at(document, "spec", "template", "spec", listed)):
            name = text(each.get("name"))
            if name == container or (not container and runs(peer, each)):
                place = Place(kind.kind, key.namespace, key.name, name, listed)
                yield Installation(peer, place, document, each)


async def config_file(objects: Objects, installation: Installation) -> ConfigFile:
    """The file that the peer reads, out of its ConfigMap. Raises Unclear and KubeError."""
    path = _config_path(installation.arguments) or installation.peer.default_file
    if not path:
        raise Unclear(
            f"{installation.place}: no argument names a configuration file (--config): give it "
            "here by --config FILE"
        )
    for key, entry in _sources(installation, path):
        document = await objects.get(CONFIG_MAP, key)
        content = at(document, "data", entry)
        if isinstance(content, str):
            return ConfigFile(path, content, key, entry)
    raise Unclear(
        f"{installation.place}: {path} comes from no ConfigMap that is there: give the file here "
        "by --config FILE"
    )


def _config_path(arguments: list[str]) -> str:
    """The value of the last ``--config``."""
    found = ""
    for place, argument in enumerate(arguments):
        if match := _CONFIG.fullmatch(argument):
            rest = arguments[place + 1 : place + 2]
            found = match[1][1:] if match[1] else "".join(rest)
    return found


def _sources(installation: Installation, path: str) -> Iterator[tuple[ObjectKey, str]]:
    """The ConfigMaps that may hold a file, and its name in their data; the nearest mount first."""
    namespace = installation.place.namespace
    volumes = {
        text(volume.get("name")): volume
        for volume in mappings(installation.pod_spec.get("volumes"))
    }
    working = text(installation.container.get("workingDir"))
    whole = PurePosixPath(working or "/") / path
    mounts = mappings(installation.container.get("volumeMounts"))
    for mount in sorted(mounts, key=lambda m: len(text(m.get("mountPath"))), reverse=True):
        folder = PurePosixPath(text(mount.get("mountPath")))
        if whole.is_relative_to(folder):
            inside = str(whole.relative_to(folder))
        elif not working and not path.startswith("/"):
            # Where the image starts it is not known: the file's name tells enough.
            inside = path
        else:
            continue
        below = text(mount.get("subPath"))
        inside = below if inside == "." else f"{below}/{inside}" if below else inside
        volume = volumes.get(text(mount.get("name")), {})
        projected = mappings(at(volume, "projected", "sources"))
        for source in (volume, *projected):
            held = mapping(source.get("configMap"))
            if name := text(held.get("name")):
                yield ObjectKey(namespace, name), _entry(held, inside)


def _entry(held: JSONObject, path: str) -> str:
    """The name in the data of what is seen at a path."""
    listed = {text(item.get("path")): text(item.get("key")) for item in mappings(held.get("items"))}
    return listed.get(path, "" if listed else path)
