"""An API server whose objects are those of files, as far as the files are asked for them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from api.codec import DecodeError, JSONObject, JSONValue, decode_object, encode
from api.kinds import NAMESPACE, Kind
from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from api.meta import KubeObject, ObjectKey
from manager.preview.manifests import OTHERS, OURS, Manifests
from manager.preview.seeming import merged
from registrar.kube.errors import Forbidden, Garbled, KubeError, NotFound
from registrar.kube.session import API, Request

_KEPT = ("uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "finalizers")
"""What an API server keeps of an object's metadata when a file is applied to it."""


class ManifestAPI:
    """Reads go to the files for the kinds that they have, else to the cluster. It writes nothing.

    A watch of such a kind brings nothing: files tell nobody, and a preview looks once.
    """

    def __init__(self, cluster: API, manifests: Manifests) -> None:
        self._cluster = cluster
        self._manifests = manifests

    @property
    def host(self) -> str:
        """Where the cluster is."""
        return self._cluster.host

    async def call(self, request: Request) -> bytes:
        """Answer a read. Raises KubeError."""
        found = self._target(request.path)
        if found is None or request.method != "GET":
            return await self._cluster.call(request)
        kind, namespace, name = found
        if name:
            return await self._one(kind, ObjectKey(namespace, name), request)
        return await self._list(kind, namespace, request)

    @asynccontextmanager
    async def stream(
        self, request: Request, *, read_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Follow the cluster's changes, or nothing's."""
        if self._target(request.path) is None:
            async with self._cluster.stream(request, read_seconds=read_seconds) as chunks:
                yield chunks
            return
        yield _silence()

    def _target(self, path: str) -> tuple[Kind[KubeObject], str, str] | None:
        """Which kind, namespace and object a path asks for, where files have that kind."""
        for kind in (*OURS, *OTHERS):
            if kind in OTHERS and not self._manifests.of(kind):
                continue
            root = kind.path()
            base, plural = root.rsplit("/", 1)
            match = re.fullmatch(
                rf"{re.escape(base)}(?:/namespaces/([^/]+))?/{plural}(?:/([^/]+))?", path
            )
            if match is not None:
                return kind, match[1] or "", match[2] or ""
        return None

    async def _one(self, kind: Kind[KubeObject], key: ObjectKey, request: Request) -> bytes:
        given = self._manifests.of(kind).get(key)
        if given is None and kind not in OURS:
            return await self._cluster.call(request)
        if given is None:
            raise NotFound(f"{kind.resource} {key}: it is in no file", 404, "NotFound")
        try:
            stored = decode_object(await self._cluster.call(request))
        except (NotFound, Forbidden):
            stored = {}
        return encode(_applied(kind, given, stored))

    async def _list(self, kind: Kind[KubeObject], namespace: str, request: Request) -> bytes:
        """All objects of the kind at once, whatever page was asked for."""
        listed, version = await self._in_cluster(kind, request)
        given = self._manifests.of(kind)
        items = [
            _applied(kind, obj, listed.get(key, {}))
            for key, obj in given.items()
            if namespace in {"", key.namespace}
        ]
        if kind not in OURS:
            items += [obj for key, obj in listed.items() if key not in given]
        wanted = _wanted(request.query)
        found: JSONValue = [item for item in items if wanted(item)]
        return encode({"metadata": {"resourceVersion": version}, "items": found})

    async def _in_cluster(
        self, kind: Kind[KubeObject], request: Request
    ) -> tuple[dict[ObjectKey, JSONObject], str]:
        """What the cluster has, and its version; nothing where the kind cannot be had there."""
        query = {n: v for n, v in request.query.items() if n not in {"limit", "continue"}}
        if kind in OURS:
            # Labels are those of the files.
            query.pop("labelSelector", None)
        try:
            reply = await self._cluster.call(replace(request, query=query))
        except (NotFound, Forbidden):
            if kind not in OURS:
                raise
            return {}, "1"
        try:
            document = decode_object(reply)
        except DecodeError as error:
            raise Garbled(f"not a list: {error}", 0, "Undecodable") from error
        metadata, items = document.get("metadata"), document.get("items")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        found = {}
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(meta := item.get("metadata"), dict):
                found[ObjectKey(str(meta.get("namespace", "")), str(meta.get("name", "")))] = item
        return found, str(version or "1")


async def _silence() -> AsyncIterator[bytes]:
    """Bring nothing, for ever."""
    await asyncio.Event().wait()
    yield b""


def _applied(kind: Kind[KubeObject], given: JSONObject, stored: JSONObject) -> JSONObject:
    """An object as it is after the file was applied to what is stored.

    An object of ours is what its file says. The others have fields that only the cluster fills,
    such as a Pod's node, so what the file does not name stays.
    """
    if kind in OTHERS:
        both = merged(stored, given)
        given = both if isinstance(both, dict) else given
    if kind is NAMESPACE:
        given = _labelled(given)
    meta, before = given.get("metadata"), stored.get("metadata")
    if not isinstance(meta, dict) or not isinstance(before, dict):
        return given
    kept = {name: before[name] for name in _KEPT if name in before}
    applied: JSONObject = {**given, "metadata": {**meta, **kept}}
    if "status" in stored:
        applied["status"] = stored["status"]
    return applied


def _labelled(namespace: JSONObject) -> JSONObject:
    """A Namespace with the label that each one has."""
    metadata = namespace.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    labelled = merged(namespace, {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}})
    return labelled if isinstance(labelled, dict) else namespace


def _wanted(query: Mapping[str, str]) -> "_Wanted":
    return _Wanted(query.get("labelSelector", ""), query.get("fieldSelector", ""))


class _Wanted:
    """Whether an object is within the selectors of a list."""

    def __init__(self, labels: str, fields: str) -> None:
        self._labels = compile_selector(_selector(labels), path="labelSelector")
        self._fields = list(_terms(fields))

    def __call__(self, obj: JSONObject) -> bool:
        metadata = obj.get("metadata")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        given = labels if isinstance(labels, dict) else {}
        if not self._labels.matches({name: str(value) for name, value in given.items()}):
            return False
        return all(
            (_field(obj, path) == value) is is_equal for path, is_equal, value in self._fields
        )


def _terms(text: str) -> Iterator[tuple[str, bool, str]]:
    """The parts of a field selector: path, whether it must be equal, value."""
    for part in filter(None, re.split(r"(?<!\\),", text)):
        path, operator, value = re.split(r"(!=|==|=)", part, maxsplit=1)
        yield path, operator != "!=", value


def _field(obj: JSONObject, path: str) -> str:
    value: JSONValue = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")


def _selector(text: str) -> LabelSelector | None:
    """A label selector as lists are asked with it. Raises KubeError for one that is none."""
    if not text:
        return None
    requirements = []
    for part in re.split(r",(?![^(]*\))", text):
        term = part.strip()
        found = _SET.fullmatch(term)
        if found is not None:
            operator = "In" if found[2] == "in" else "NotIn"
            values = tuple(value.strip() for value in found[3].split(","))
            requirements.append(
                LabelSelectorRequirement(key=found[1], operator=operator, values=values)
            )
        elif "=" in term:
            key, sign, value = re.split(r"(!=|==|=)", term, maxsplit=1)
            operator = "NotIn" if sign == "!=" else "In"
            requirements.append(
                LabelSelectorRequirement(
                    key=key.strip(), operator=operator, values=(value.strip(),)
                )
            )
        elif term:
            operator = "DoesNotExist" if term.startswith("!") else "Exists"
            requirements.append(
                LabelSelectorRequirement(key=term.lstrip("!").strip(), operator=operator)
            )
        else:
            raise KubeError(f"{text!r} is no label selector", 400, "BadRequest")
    return LabelSelector(match_expressions=tuple(requirements))
