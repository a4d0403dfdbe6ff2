"""The definitions of kinds: ours in the place of the peer's, and the peer's in that of ours.

A kind's name cannot be changed. Where the peer spelled it otherwise its definition is deleted, and
its objects with it: they are kept first, and written anew. While that is done no registrar runs,
so the entries on the SPIRE server stay.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY, Kind
from api.meta import KubeObject, ObjectKey
from manager.migrate.objects import CRD, POD, AnyKind, Objects
from manager.migrate.reading import at, key_of, mapping, mappings, portable, text, words
from manager.migrate.waiting import until_no
from registrar.kube.errors import AlreadyExists, KubeError, NotFound

_WAIT_SECONDS = 60.0
REPLACED = (CLUSTER_SPIFFE_ID.resource, SPIRE_ENTRY.resource)


def _raw(document: JSONObject) -> AnyKind:
    """The kind that a definition defines, in its stored version."""
    spec = mapping(document.get("spec"))
    versions = mappings(spec.get("versions"))
    stored = next((v for v in versions if v.get("storage")), versions[0] if versions else {})
    return Kind(
        text(spec.get("group")),
        text(stored.get("name")),
        text(at(spec, "names", "kind")),
        text(at(spec, "names", "plural")),
        namespaced=spec.get("scope") == "Namespaced",
        type=KubeObject,
    )


async def install(objects: Objects, definition: JSONObject) -> None:
    """Create or change a definition, and wait until it is served. Raises KubeError."""
    await objects.put(CRD, definition, key_of(definition))

    async def problem() -> str:
        is_served = await _is_served(objects, definition)
        return "" if is_served else f"{key_of(definition).name} is not served"

    await until_no(problem, timeout_seconds=_WAIT_SECONDS)


async def _is_served(objects: Objects, definition: JSONObject) -> bool:
    there = await objects.get(CRD, key_of(definition))
    conditions = mappings(at(there, "status", "conditions"))
    if not any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
        return False
    try:
        await objects.all(_raw(definition))
    except KubeError:
        return False
    return True


async def objects_of(objects: Objects, definition: JSONObject) -> list[JSONObject]:
    """All objects of the kind that a definition defines. Raises KubeError."""
    return await objects.all(_raw(definition))


async def remove(objects: Objects, definition: JSONObject) -> None:
    """Delete a definition with its objects; their finalizers, which nobody serves now, first."""
    kind = _raw(definition)
    for document in await objects.all(kind):
        if at(document, "metadata", "finalizers"):
            await objects.patch(kind, key_of(document), {"metadata": {"finalizers": None}})
    key = key_of(definition)
    await objects.delete(CRD, key)

    async def problem() -> str:
        return "" if await objects.get(CRD, key) is None else f"{key.name} is still there"

    await until_no(problem, timeout_seconds=_WAIT_SECONDS)


async def write_anew(
    objects: Objects, definition: JSONObject, documents: Sequence[JSONObject]
) -> int:
    """Create objects of a kind; those that are there stay. Gives how many were created."""
    kind = _raw(definition)
    created = 0
    for document in documents:
        wanted: JSONObject = {
            **portable(document),
            "apiVersion": kind.api_version,
            "kind": kind.kind,
        }
        key = key_of(document)
        try:
            await objects.create(kind, wanted, key)
        except AlreadyExists:
            continue
        created += 1
    return created


async def restore_status(
    objects: Objects, definition: JSONObject, documents: Sequence[JSONObject]
) -> None:
    """Give objects the status that they had, by which the peer knows its entries."""
    kind = _raw(definition)
    versions = mappings(at(definition, "spec", "versions"))
    has_status = any("status" in mapping(v.get("subresources")) for v in versions)
    for document in documents:
        status = document.get("status")
        if not isinstance(status, dict) or not status:
            continue
        key = key_of(document)
        if await objects.get(kind, key) is None:
            continue
        if has_status:
            await objects.put_status(kind, document, key)
        else:
            await objects.patch(kind, key, {"status": status})


def is_by_a_person(document: JSONObject) -> bool:
    """Whether a person wrote a ClusterSpiffeId: one that selects a Pod by its uid was made."""
    return not text(at(document, "spec", "selector", "podUid"))


def of_people(documents: Iterable[JSONObject]) -> list[JSONObject]:
    """The ClusterSpiffeIds among these that people wrote; the peer spelled it ClusterSpiffeID."""
    kind = CLUSTER_SPIFFE_ID.kind.lower()
    found = (each for each in documents if text(each.get("kind")).lower() == kind)
    return [each for each in found if is_by_a_person(each)]


def is_ours(definition: JSONObject) -> bool:
    """Whether a definition spells ClusterSpiffeId as ours does."""
    return at(definition, "spec", "names", "kind") == CLUSTER_SPIFFE_ID.kind


def as_ours(document: JSONObject) -> JSONObject:
    """A ClusterSpiffeId of the peer as it is written anew."""
    ours: JSONObject = {
        "apiVersion": CLUSTER_SPIFFE_ID.api_version,
        "kind": CLUSTER_SPIFFE_ID.kind,
    }
    return {**without_finalizers(portable(document)), **ours}


def without_finalizers(document: JSONObject) -> JSONObject:
    """The object without the peer's finalizers, which nobody would ever take off."""
    metadata = mapping(document.get("metadata"))
    kept = {name: value for name, value in metadata.items() if name != "finalizers"}
    return {**document, "metadata": kept}


async def free_pods(objects: Objects) -> int:
    """Take the peer's finalizers off Pods; gives off how many. Raises KubeError."""

    def freed(pod: JSONObject) -> JSONObject:
        metadata = mapping(pod.get("metadata"))
        left = [name for name in words(metadata.get("finalizers")) if "spiffe" not in name]
        return {**pod, "metadata": {**metadata, "finalizers": [*left]}}

    number = 0
    for pod in await objects.all(POD):
        if any("spiffe" in name for name in words(at(pod, "metadata", "finalizers"))):
            key: ObjectKey = key_of(pod)
            # One that goes meanwhile needs nothing any more.
            with suppress(NotFound):
                await objects.change(POD, key, freed)
                number += 1
    return number
