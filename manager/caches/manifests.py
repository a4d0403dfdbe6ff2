"""The objects of static mode's folder: decoded, or known by name where they do not decode."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from api.codec import DecodeError, JSONObject, convert, without_nulls
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIFFE_ID,
    SPIRE_ENTRY,
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

_NO_MANIFESTS = frozenset(
    {CLUSTER_SPIFFEID.kind, CLUSTER_SPIFFE_ID.kind, SPIFFE_ID.kind, SPIRE_ENTRY.kind}
)
"""Our kinds that mean nothing without a cluster."""


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
                problems[where] = _left_out(document)
            manifests.is_complete = manifests.is_complete and known
    return manifests


def _is_other(document: JSONObject) -> bool:
    """Whether an object is surely none of ours: not a misspelt one, nor a list that has some."""
    api_version, kind = document.get("apiVersion"), str(document.get("kind"))
    if kind in _NO_MANIFESTS:
        return True
    if not isinstance(api_version, str) or not api_version or kind.endswith("List"):
        return False
    return "spiffe" not in api_version


def _left_out(document: JSONObject) -> str:
    """What to say of an object of another kind."""
    kind = str(document.get("kind"))
    problem = f"a kind that static manifests do not have is left out: {kind}"
    if kind.endswith("List"):
        return f"{problem}: write each of its items as a document of its own, with --- between them"
    return problem


def _take(
    kind: Kind[T], document: JSONObject, where: str, found: Found[T], problems: dict[str, str]
) -> bool:
    """Decode one object; the name of one without a name is its place.

    Tells whether it is known which object that is. Of two with one name the first counts, and
    if it does not decode, what it said before: the second must not replace that.
    """
    try:
        given = {k: without_nulls(v) for k, v in document.items() if k != "status"}
        obj = convert(given, kind.type)
    except DecodeError as error:
        problems[where] = f"an object does not decode; what it said before stays: {error}"
        name = _name_in(document)
        key = ObjectKey("", name)
        if name and key not in found.objects:
            found.broken[key] = Broken(ObjectMeta(name=name), f"{where}: {error}")
        return bool(name)
    key = ObjectKey("", obj.metadata.name or where)
    if key in found.objects or key in found.broken:
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
