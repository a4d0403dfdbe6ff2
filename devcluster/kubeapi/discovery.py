"""Discovery: which groups, versions and resources there are, in the old form and in one answer."""

from collections.abc import Mapping

from devcluster.kubeapi.documents import JSONObject, JSONValue, encode
from devcluster.kubeapi.resources import VERBS, Registry, Resource
from devcluster.kubeapi.reviews import REVIEW_KINDS

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUBRESOURCES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "status": ("", ("get", "patch", "update")),
    "finalize": ("", ("update",)),
    "binding": ("Binding", ("create",)),
    "eviction": ("Eviction", ("create",)),
    "token": ("TokenRequest", ("create",)),
    "scale": ("Scale", ("get", "patch", "update")),
}
_VERSION: JSONObject = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "embedded",
}


def _names(values: tuple[str, ...]) -> list[JSONValue]:
    return list(values)


class Discovery:
    """The discovery documents of a registry, made anew when what is served has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made = -1
        self._pages: dict[str, bytes] = {}

    def page(self, path: str, accept: str) -> bytes | None:
        """The document of a path, None if it is not a discovery path."""
        if not path.startswith(("/api", "/version")):
            return None
        if self._made != self._registry.generation:
            self._pages = self._make()
            self._made = self._registry.generation
        if path in {"/api", "/apis"} and "as=APIGroupDiscoveryList" in accept:
            return self._pages[f"{path} aggregated"]
        return self._pages.get(path)

    def _make(self) -> dict[str, bytes]:
        groups = self._registry.groups()
        pages: dict[str, JSONObject] = {"/version": _VERSION}
        pages["/api"] = {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }
        pages["/api aggregated"] = self._aggregated([""])
        named = [*(group for group in groups if group), *REVIEW_KINDS]
        pages["/apis"] = {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group, groups.get(group, ["v1"])) for group in named],
        }
        pages["/apis aggregated"] = self._aggregated(named)
        for group in ["", *named]:
            if group:
                body = _group(group, groups.get(group, ["v1"]))
                pages[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **body}
            for version in groups.get(group, ["v1"]):
                path = f"/apis/{group}/{version}" if group else f"/api/{version}"
                pages[path] = self._resource_list(group, version)
        return {path: encode(page) for path, page in pages.items()}

    def _served(self, group: str, version: str) -> list[Resource]:
        found = [r for r in self._registry if (r.group, r.version) == (group, version)]
        return sorted(found, key=lambda resource: resource.plural)

    def _resource_list(self, group: str, version: str) -> JSONObject:
        resources: list[JSONValue] = []
        for resource in self._served(group, version):
            entry: JSONObject = {
                "name": resource.plural,
                "singularName": resource.singular,
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": _names(VERBS),
            }
            if resource.short_names:
                entry["shortNames"] = _names(resource.short_names)
            if resource.categories:
                entry["categories"] = _names(resource.categories)
            resources.append(entry)
            for name in resource.subresources:
                kind, verbs = _SUBRESOURCES[name]
                resources.append(
                    {
                        "name": f"{resource.plural}/{name}",
                        "singularName": "",
                        "namespaced": resource.namespaced,
                        "kind": kind or resource.kind,
                        "verbs": _names(verbs),
                    }
                )
        for plural, kind in REVIEW_KINDS.get(group, ()):
            resources.append(
                {
                    "name": plural,
                    "singularName": kind.lower(),
                    "namespaced": False,
                    "kind": kind,
                    "verbs": ["create"],
                }
            )
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": resources,
        }

    def _aggregated(self, names: list[str]) -> JSONObject:
        groups = self._registry.groups()
        items: list[JSONValue] = []
        for group in names:
            versions: list[JSONValue] = []
            for version in groups.get(group, ["v1"]):
                resources: list[JSONValue] = [
                    _aggregated_entry(resource) for resource in self._served(group, version)
                ]
                for plural, kind in REVIEW_KINDS.get(group, ()):
                    resources.append(
                        {
                            "resource": plural,
                            "responseKind": {"group": group, "version": version, "kind": kind},
                            "scope": "Cluster",
                            "singularResource": kind.lower(),
                            "verbs": ["create"],
                        }
                    )
                versions.append(
                    {"version": version, "resources": resources, "freshness": "Current"}
                )
            items.append({"metadata": {"name": group} if group else {}, "versions": versions})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }


def _group(group: str, versions: list[str]) -> JSONObject:
    listed: list[JSONValue] = [
        {"groupVersion": f"{group}/{version}", "version": version} for version in versions
    ]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _aggregated_entry(resource: Resource) -> JSONObject:
    kind: JSONObject = {
        "group": resource.group,
        "version": resource.version,
        "kind": resource.kind,
    }
    entry: JSONObject = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _names(VERBS),
    }
    if resource.short_names:
        entry["shortNames"] = _names(resource.short_names)
    if resource.categories:
        entry["categories"] = _names(resource.categories)
    below: list[JSONValue] = []
    for name in resource.subresources:
        other, verbs = _SUBRESOURCES[name]
        below.append(
            {
                "subresource": name,
                "responseKind": {**kind, "kind": other or resource.kind},
                "verbs": _names(verbs),
            }
        )
    if below:
        entry["subresources"] = below
    return entry
