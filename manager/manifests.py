"""The objects of static mode's folder: decoded, or known by name where they do not decode."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from api.codec import DecodeError, JSONObject, convert, without_nulls
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    Kind,
)
from api.meta import KubeObject, ObjectKey, ObjectMeta
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from registrar.kube.store import Broken
from registrar.manifests.folder import Folder
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


@dataclass(slots=True)
class Found(Generic[T]):
    """The objects of one kind, and those that do not decode."""

    objects: dict[ObjectKey, T] = field(default_factory=dict)
    broken: dict[ObjectKey, Broken] = field(default_factory=dict)


@dataclass(slots=True)
class Manifests:
    """What the files say. ``is_complete``: of every document it is known which object it is."""

    static_entries: Found[ClusterStaticEntry] = field(default_factory=Found)
    trust_domains: Found[ClusterFederatedTrustDomain] = field(default_factory=Found)
    is_complete: bool = True
    problems: dict[str, str] = field(default_factory=dict)
    """What is wrong with single documents, by place."""

    def say_news(self, said: Mapping[str, str]) -> None:
        """Warn of each problem that was not ``said`` before."""
        for place, problem in self.problems.items():
            if said.get(place) != problem:
                log.warning(problem, extra=kv(place=place))


def read_manifests(folder: Folder) -> Manifests:
    """The objects of the files, by name."""
    manifests = Manifests()
    problems = manifests.problems
    for name, documents in folder.documents.items():
        for number, document in enumerate(documents, start=1):
            where, kind = f"{name}#{number}", str(document.get("kind"))
            if kind == CLUSTER_STATIC_ENTRY.kind:
                found = manifests.static_entries
                known = _take(CLUSTER_STATIC_ENTRY, document, where, found, problems)
            elif kind == CLUSTER_FEDERATED_TRUST_DOMAIN.kind:
                domains = manifests.trust_domains
                known = _take(CLUSTER_FEDERATED_TRUST_DOMAIN, document, where, domains, problems)
            else:
                known = _is_other(document)
                problems[where] = f"a kind that static manifests do not have is left out: {kind}"
            manifests.is_complete = manifests.is_complete and known
    for found_of_kind in (manifests.static_entries, manifests.trust_domains):
        for key in found_of_kind.objects:
            found_of_kind.broken.pop(key, None)
    return manifests


def _is_other(document: JSONObject) -> bool:
    """Whether an object is surely none of ours, and not one whose kind is misspelt."""
    group, _, _ = str(document.get("apiVersion")).partition("/")
    is_our_group = group == CLUSTER_STATIC_ENTRY.group
    return not is_our_group or document.get("kind") == CLUSTER_SPIFFEID.kind


def _take(
    kind: Kind[T], document: JSONObject, where: str, found: Found[T], problems: dict[str, str]
) -> bool:
    """Decode one object; the name of one without a name is its place.

    Tells whether it is known which object that is.
    """
    try:
        given = {k: without_nulls(v) for k, v in document.items() if k != "status"}
        obj = convert(given, kind.type)
    except DecodeError as error:
        problems[where] = f"an object does not decode; what it said before stays: {error}"
        name = _name_in(document)
        if name:
            key = ObjectKey("", name)
            found.broken[key] = Broken(ObjectMeta(name=name), f"{where}: {error}")
        return bool(name)
    key = ObjectKey("", obj.metadata.name or where)
    if key in found.objects:
        problems[where] = f"two objects have one name; the first counts: {key.name}"
        return True
    # Nothing of a cluster's bookkeeping means anything in a file.
    meta = ObjectMeta(name=key.name)
    fields = {name: getattr(obj, name) for name in obj.__struct_fields__}
    found.objects[key] = kind.type(**{**fields, "metadata": meta})
    return True


def _name_in(document: JSONObject) -> str:
    """The name of an object that does not decode, as far as it can be read."""
    meta = document.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    return name if isinstance(name, str) else ""
