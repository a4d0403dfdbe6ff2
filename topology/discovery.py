"""What kinds an API server has, and where the objects of each lie."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from api.codec import JSONObject, decode, decode_object, encode
from registrar.kube.errors import NotFound, Unavailable
from registrar.kube.session import Request, Session
from topology.manifests import ObjectID
from topology.patience import patiently


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    listable: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """Where its objects lie, or one of them; without a namespace those of all."""
        root = "/apis" if "/" in self.api_version else "/api"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *([name] if name else [])])


class _Resource(msgspec.Struct):
    name: str
    kind: str = ""
    namespaced: bool = False
    verbs: list[str] = []


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


class _Version(msgspec.Struct, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class _Groups(msgspec.Struct):
    groups: list[_Group] = []


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Item(msgspec.Struct):
    metadata: _Metadata


class _List(msgspec.Struct):
    items: list[_Item] | None = None


class Cluster:
    """Any object of any kind, as it is on the wire. Every method raises KubeError."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._resources: dict[tuple[str, str], Resource] = {}

    async def read(self, objects: Iterable[ObjectID]) -> dict[ObjectID, JSONObject]:
        """Those of these objects that are there."""
        found = {}
        for each in objects:
            resource = await self._resource(each)
            if resource is None:
                continue
            path = resource.path(each.namespace, each.name)
            try:
                found[each] = decode_object(await patiently(self._session, Request("GET", path)))
            except NotFound:
                continue
        return found

    async def delete(self, each: ObjectID) -> bool:
        """Ask for an object to be deleted, with all that it owns; False where there is none."""
        resource = await self._resource(each)
        if resource is None:
            return False
        request = Request(
            "DELETE",
            resource.path(each.namespace, each.name),
            body=encode({"propagationPolicy": "Background"}),
        )
        try:
            await patiently(self._session, request)
        except NotFound:
            return False
        return True

    async def labelled(self, selector: str) -> list[ObjectID]:
        """All objects of all kinds with these labels."""
        found = []
        for resource in await self._all():
            request = Request("GET", resource.path(), {"labelSelector": selector})
            try:
                items = decode(await patiently(self._session, request), _List).items or ()
            except NotFound:
                continue
            found += [
                ObjectID(resource.api_version, resource.kind, at.namespace, at.name)
                for at in (item.metadata for item in items)
            ]
        return found

    async def _all(self) -> list[Resource]:
        versions = ["v1"]
        groups = decode(await patiently(self._session, Request("GET", "/apis")), _Groups).groups
        versions += [group.preferred_version.group_version for group in groups]
        found = []
        for version in versions:
            try:
                found += await self._of_version(version)
            except Unavailable:
                # The server of an aggregated API is away; nothing of ours can lie there.
                continue
        # Events speak of objects and have no labels; they go by themselves.
        return [each for each in found if each.listable and each.kind != "Event"]

    async def _of_version(self, api_version: str) -> list[Resource]:
        root = "/apis" if "/" in api_version else "/api"
        reply = await patiently(self._session, Request("GET", f"{root}/{api_version}"))
        return [
            Resource(api_version, each.kind, each.name, each.namespaced, "list" in each.verbs)
            for each in decode(reply, _Resources).resources
            if "/" not in each.name
        ]

    async def _resource(self, each: ObjectID) -> Resource | None:
        """The kind of an object; None where the API server does not have it."""
        key = (each.api_version, each.kind)
        if key not in self._resources:
            try:
                kinds = await self._of_version(each.api_version)
            except NotFound:
                return None
            self._resources |= {(kind.api_version, kind.kind): kind for kind in kinds}
        return self._resources.get(key)
