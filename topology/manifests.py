"""The manifests of modules: where they lie, and the objects in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api.codec import JSONObject, JSONValue
from api.documents import load_yaml_documents
from registrar.errors import InvalidField

CRDS = "config/crd"


@dataclass(frozen=True, slots=True)
class ObjectID:
    """One object of any kind."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As people write it."""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"


class Manifests:
    """The folder ``deploy`` of a checkout, with ``config/crd`` beside it."""

    def __init__(self, deploy: Path) -> None:
        self._deploy = deploy

    @property
    def crds(self) -> Path:
        """The kinds that come before everything else."""
        return self._deploy.parent / CRDS

    def module(self, name: str) -> Path:
        """A module."""
        return self._deploy / name

    def component(self, name: str) -> Path:
        """A component."""
        return self._deploy / "components" / name

    def test(self, name: str) -> Path:
        """The test of a module."""
        return self._deploy / "tests" / name


def find_manifests(named: Path | None) -> Manifests:
    """The manifests: those named, of this folder, or of the checkout that runs this.

    Blocks. Raises InvalidField where there are none.
    """
    here = [Path("deploy"), Path(__file__).resolve().parents[1] / "deploy"]
    for folder in [named] if named is not None else here:
        if (folder / "nested/kustomization.yaml").exists():
            return Manifests(folder.resolve())
    raise InvalidField(
        "--manifests",
        str(named or here[0]),
        "no topologies are there: name the folder deploy of a checkout of spire-registrar",
    )


def objects_of(rendered: str) -> dict[ObjectID, JSONObject]:
    """The objects of what kustomize wrote, in its order."""
    return dict(_objects(rendered))


def _objects(rendered: str) -> Iterator[tuple[ObjectID, JSONObject]]:
    for document in load_yaml_documents(rendered):
        if isinstance(document, dict):
            metadata = document.get("metadata")
            about: JSONObject = metadata if isinstance(metadata, dict) else {}
            key = ObjectID(
                _text(document.get("apiVersion")),
                _text(document.get("kind")),
                _text(about.get("namespace")),
                _text(about.get("name")),
            )
            yield key, document


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""
