"""What the server serves: one Resource per group, version and plural, and where to find it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from devcluster.kubeapi.documents import JSONObject
from devcluster.kubeapi.schema import Schema

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

StoreKey: TypeAlias = tuple[str, str]
"""Group and plural under which objects are stored, whatever version they came in."""


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column of a CRD."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version.

    `schema_source` is the OpenAPI document of the kind for clients that ask for it.
    `stored_version` is the apiVersion that stored documents carry. `generation` says whether the
    server counts changes of the spec. `name_style` is the metadata rule for names: subdomain,
    label or path.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    schema: Schema
    schema_name: str
    schema_source: JSONObject
    stored_version: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    generation: bool = False
    custom: bool = False
    name_style: str = "subdomain"
    store_key: StoreKey = ("", "")
    field_labels: tuple[str, ...] = ()
    list_kind: str = ""
    warning: str = ""

    @property
    def api_version(self) -> str:
        """Group and version as documents spell them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether status is written through a path of its own."""
        return "status" in self.subresources

    @property
    def items_kind(self) -> str:
        """The kind of a list of these."""
        return self.list_kind or f"{self.kind}List"

    @property
    def prefix(self) -> str:
        """The path of the group version, without a slash at the end."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"


@dataclass(slots=True)
class Registry:
    """The served resources; CRDs come and go."""

    _by_path: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    _generation: int = 0

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a path, None if nothing is served there."""
        return self._by_path.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind in any version of its group, the named one first."""
        group, _, version = api_version.rpartition("/")
        found: Resource | None = None
        for resource in self._by_path.values():
            if resource.group == group and resource.kind == kind:
                if resource.version == version:
                    return resource
                found = found or resource
        return found

    def stored(self, key: StoreKey) -> Resource | None:
        """The resource in whose version the objects under the key are stored."""
        for resource in self._by_path.values():
            if resource.store_key == key and resource.api_version == resource.stored_version:
                return resource
        return None

    def install(self, resources: Iterable[Resource]) -> None:
        """Serves these, in place of what was served under the same paths."""
        for resource in resources:
            self._by_path[resource.group, resource.version, resource.plural] = resource
        self._generation += 1

    def uninstall(self, group: str, plural: str) -> None:
        """Serves no version of this plural any more."""
        gone = [path for path in self._by_path if path[0] == group and path[2] == plural]
        for path in gone:
            del self._by_path[path]
        self._generation += 1

    @property
    def generation(self) -> int:
        """Counts the changes of what is served."""
        return self._generation

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))

    def groups(self) -> Mapping[str, list[str]]:
        """The versions of each group, best first."""
        found: dict[str, list[str]] = {}
        for resource in self._by_path.values():
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return {group: sorted(versions, key=version_rank) for group, versions in found.items()}


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts v2 before v1 before v1beta2 before v1alpha1 before anything else."""
    stage = 0
    number = version.removeprefix("v")
    minor = ""
    for rank, word in ((1, "beta"), (2, "alpha")):
        if word in number:
            stage = rank
            number, _, minor = number.partition(word)
            break
    if version.startswith("v") and number.isdigit() and (stage == 0 or minor.isdigit()):
        return (stage, -int(number), -int(minor or 0), version)
    return (3, 0, 0, version)
