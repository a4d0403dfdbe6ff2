"""Objects from files in the place of those of the cluster, or beside them.

The registrar's own kinds are those of the files and no others: what stands in no file would be
deleted. Of other kinds, such as Pods and Namespaces, the files add to what the cluster has. An
object that the cluster has by the same name keeps what only an API server gives: uid, age, status.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from api import kinds
from api.codec import DecodeError, JSONObject, JSONValue
from api.documents import load_yaml_documents
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from registrar.errors import InvalidField

FLAG = "--from-manifests"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_TOOLS = frozenset({"kustomization", "Kustomization", "Chart", "values"})
"""Names of files that are a tool's own and hold no objects."""

OURS: tuple[Kind[KubeObject], ...] = (
    kinds.CLUSTER_SPIFFE_ID,
    kinds.SPIFFE_ID,
    kinds.CLUSTER_SPIFFEID,
    kinds.CLUSTER_STATIC_ENTRY,
    kinds.CLUSTER_FEDERATED_TRUST_DOMAIN,
)
OTHERS: tuple[Kind[KubeObject], ...] = (
    *(kinds.POD, kinds.NODE, kinds.NAMESPACE, kinds.CONFIG_MAP),
    *(kinds.ENDPOINTS, kinds.ENDPOINT_SLICE, kinds.REPLICA_SET, kinds.JOB),
)
_KNOWN = {(kind.api_version, kind.kind): kind for kind in (*OURS, *OTHERS)}
_UIDS = uuid.UUID("6f6f2f0e-3a55-5c0b-9a51-2d8a3a1f8f47")


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects of a folder, by resource and name."""

    path: Path
    objects: Mapping[str, Mapping[ObjectKey, JSONObject]] = field(default_factory=dict)
    left_out: int = 0
    """How many documents are of kinds that say nothing to a registrar."""

    def of(self, kind: Kind[KubeObject]) -> Mapping[ObjectKey, JSONObject]:
        """The objects of one kind."""
        return self.objects.get(kind.resource, {})


def read_manifests(path: Path) -> Manifests:
    """Read all objects below a folder, or those of one file. Raises InvalidField."""
    objects: dict[str, dict[ObjectKey, JSONObject]] = {}
    places: dict[tuple[str, ObjectKey], Path] = {}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    left_out = 0
    for file, document in _documents(path):
        kind = _KNOWN.get((str(document.get("apiVersion")), str(document.get("kind"))))
        if kind is None:
            left_out += 1
            continue
        key, obj = _stored(kind, document, file, now)
        place = places.setdefault((kind.resource, key), file)
        known = objects.setdefault(kind.resource, {})
        if key in known:
            also = "" if place == file else f", as in {place}"
            raise InvalidField(
                FLAG, str(file), f"it has {kind.kind} {key} a second time{also}: keep one of them"
            )
        known[key] = obj
    if not objects:
        also = f" ({left_out} documents of other kinds)" if left_out else ""
        raise InvalidField(
            FLAG, str(path), f"no object for a registrar is in it{also}: name another"
        )
    return Manifests(path, objects, left_out)


def _documents(path: Path) -> Iterator[tuple[Path, JSONObject]]:
    """Each object of each file, those within lists too."""
    for file in _files(path):
        try:
            documents = load_yaml_documents(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, DecodeError) as error:
            raise InvalidField(
                FLAG,
                str(file),
                f"{error}: correct it, or render it first where it is a template of Helm",
            ) from error
        for document in documents:
            for obj in _items(document):
                if "apiVersion" not in obj or "kind" not in obj:
                    raise InvalidField(
                        FLAG, str(file), "a document has no apiVersion or kind: it is no object"
                    )
                yield file, obj


def _files(path: Path) -> list[Path]:
    """The files below a folder, in the order of their names."""
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        found = [p for p in sorted(path.rglob("*")) if p.suffix in _SUFFIXES and p.is_file()]
    except OSError as error:
        raise InvalidField(FLAG, str(path), f"{error.strerror or error}: name a folder") from error
    hidden = [p for p in found if any(n.startswith(".") for n in p.relative_to(path).parts)]
    return [p for p in found if p not in hidden and p.stem not in _TOOLS]


def _items(document: JSONValue) -> Iterator[JSONObject]:
    """The objects of a document: itself, or the items of a list."""
    if not isinstance(document, dict):
        yield {}
        return
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        of_one = str(document["kind"]).removesuffix("List")
        for item in items:
            given = item if isinstance(item, dict) else {}
            # The items of a PodList do not say what they are.
            defaults = {"apiVersion": document.get("apiVersion"), "kind": of_one} if of_one else {}
            yield from _items({**defaults, **given})
        return
    yield document


def _stored(
    kind: Kind[KubeObject], document: JSONObject, file: Path, now: str
) -> tuple[ObjectKey, JSONObject]:
    """An object as an API server would store a new one. Raises InvalidField without a name."""
    metadata = document.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidField(FLAG, str(file), f"a {kind.kind} has no metadata.name: give it one")
    namespace = str(given.get("namespace") or "default") if kind.namespaced else ""
    key = ObjectKey(namespace, name)
    made: JSONObject = {
        **given,
        "uid": given.get("uid") or str(uuid.uuid5(_UIDS, f"{kind.resource}/{key}")),
        "creationTimestamp": given.get("creationTimestamp") or now,
        "resourceVersion": given.get("resourceVersion") or "1",
    }
    if namespace:
        made["namespace"] = namespace
    return key, {**document, "metadata": made}
