"""The few calls that seeding and the pretend kubelet make to the embedded API server."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp

from api.codec import JSONObject, JSONValue, decode, encode

_SECONDS = aiohttp.ClientTimeout(total=30)
_FOREVER = aiohttp.ClientTimeout(total=None, sock_connect=10)
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"


class NotFound(RuntimeError):  # noqa: N818 - named as the reply is
    """What was asked for is not there."""


class Client:
    """Untyped documents to and from ``url``, as kubectl would send them."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    async def get(self, path: str) -> JSONObject:
        """Read a path. Raises NotFound, and RuntimeError at any other refusal, as all calls do."""
        return await self._call("GET", path)

    async def apply(self, document: JSONObject) -> JSONObject:
        """Create or change an object by server-side apply."""
        path = await self._path_of(document)
        return await self._call(
            "PATCH", f"{path}?fieldManager=dev&force=true", document, _APPLY_PATCH
        )

    async def merge(self, path: str, patch: JSONObject) -> JSONObject:
        """Change an object by merge patch."""
        return await self._call("PATCH", path, patch, _MERGE_PATCH)

    async def create(self, path: str, document: JSONObject) -> JSONObject:
        """Create an object in the collection at ``path``."""
        return await self._call("POST", path, document, "application/json")

    async def delete(self, path: str) -> JSONObject:
        """Delete an object."""
        return await self._call("DELETE", path)

    async def watch(self, path: str) -> AsyncIterator[JSONObject]:
        """The objects of a collection as they are and as they change; each event whole."""
        async with self._http.get(
            f"{self._url}{path}?watch=true&resourceVersion=0", timeout=_FOREVER
        ) as response:
            response.raise_for_status()
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield _as_object(decode(line, dict))

    async def _call(
        self, method: str, path: str, body: JSONObject | None = None, content_type: str = ""
    ) -> JSONObject:
        async with self._http.request(
            method,
            self._url + path,
            data=None if body is None else encode(body),
            headers={"Content-Type": content_type} if content_type else None,
            timeout=_SECONDS,
        ) as response:
            reply = await response.read()
            if response.status >= 400:
                refusal = NotFound if response.status == 404 else RuntimeError
                raise refusal(f"{method} {path}: {response.status} {reply[:500].decode()}")
            return _as_object(decode(reply, dict))

    async def _path_of(self, document: JSONObject) -> str:
        """Where the object lies; the plural comes from discovery."""
        api_version, kind = str(document["apiVersion"]), str(document["kind"])
        metadata = _as_object(document["metadata"])
        known = self._plurals.get((api_version, kind))
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if known is None:
            for resource in _as_list((await self.get(prefix))["resources"]):
                found = _as_object(resource)
                if found["kind"] == kind and "/" not in str(found["name"]):
                    known = (str(found["name"]), bool(found["namespaced"]))
            if known is None:
                raise RuntimeError(f"the API server has no {kind} in {api_version}")
            self._plurals[api_version, kind] = known
        plural, namespaced = known
        if namespaced:
            prefix += f"/namespaces/{metadata.get('namespace', 'default')}"
        return f"{prefix}/{plural}/{quote(str(metadata['name']))}"


def _as_object(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r}")
    return value


def _as_list(value: JSONValue) -> list[JSONValue]:
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r}")
    return value
