"""A raw client: what goes over the wire is what a test says, and nothing else."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from devcluster.kubeapi.documents import JSONObject, JSONValue, obj, objects, text
from hack.definitions import does_not_go
from tests.support.waiting import eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECONDS = 90.0
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    code: int
    body: JSONObject
    warnings: tuple[str, ...] = ()
    content_type: str = ""

    @property
    def items(self) -> list[JSONObject]:
        """The items of a list."""
        return objects(self.body, "items")

    @property
    def names(self) -> list[str]:
        """The names in a list."""
        return [text(item, "metadata", "name") for item in self.items]

    @property
    def revision(self) -> str:
        """The resourceVersion of the object or list."""
        return text(self.body, "metadata", "resourceVersion")

    @property
    def uid(self) -> str:
        """The uid of the object."""
        return text(self.body, "metadata", "uid")

    @property
    def refusal(self) -> tuple[int, str]:
        """The code and reason of a Status."""
        return self.code, text(self.body, "reason")

    @property
    def causes(self) -> set[tuple[str, str]]:
        """Reason and field of every cause of a Status."""
        found = objects(self.body, "details", "causes")
        return {(text(cause, "reason"), text(cause, "field")) for cause in found}


class Events:
    """The events of one watch, one after the other."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, JSONObject]:
        """The type and object of the next event; EOFError at the end of the stream."""
        async with asyncio.timeout(SECONDS):
            line = await self._response.content.readline()
        if not line:
            raise EOFError
        event: JSONObject = json.loads(line)
        return text(event, "type"), obj(event["object"])

    async def take(self, count: int) -> list[tuple[str, str]]:
        """The next events as pairs of type and name."""
        events = [await self.next() for _ in range(count)]
        return [(kind, text(document, "metadata", "name")) for kind, document in events]

    async def rest(self) -> list[tuple[str, JSONObject]]:
        """All events up to the end of the stream."""
        found = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(await self.next())
        return found


class Kube:
    """Requests to one server."""

    def __init__(self, session: aiohttp.ClientSession, kubeconfig: Path) -> None:
        self._session = session
        self.kubeconfig = kubeconfig

    async def request(
        self,
        method: str,
        path: str,
        body: JSONValue | bytes = None,
        headers: Mapping[str, str] | None = None,
        /,
        **query: str,
    ) -> Answer:
        """One request; the body as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        sent = {"Content-Type": JSON, "Accept": JSON, **(headers or {})}
        async with (
            asyncio.timeout(SECONDS),
            self._session.request(method, path, data=data, headers=sent, params=query) as response,
        ):
            raw = await response.read()
            # A real server serves JSON under other names too.
            is_json = raw.startswith(b"{")
            return Answer(
                response.status,
                obj(json.loads(raw)) if is_json else {},
                tuple(response.headers.getall("Warning", ())),
                response.headers.get("Content-Type", ""),
            )

    async def get(self, path: str, accept: str = JSON, /, **query: str) -> Answer:
        """GET."""
        return await self.request("GET", path, None, {"Accept": accept}, **query)

    async def post(self, path: str, body: JSONValue, **query: str) -> Answer:
        """POST."""
        return await self.request("POST", path, body, **query)

    async def put(self, path: str, body: JSONValue, **query: str) -> Answer:
        """PUT."""
        return await self.request("PUT", path, body, **query)

    async def patch(
        self, path: str, body: JSONValue, content_type: str = MERGE, /, **query: str
    ) -> Answer:
        """PATCH."""
        return await self.request("PATCH", path, body, {"Content-Type": content_type}, **query)

    async def apply(self, path: str, body: JSONValue, manager: str, **query: str) -> Answer:
        """Server-side apply."""
        return await self.patch(path, body, APPLY, fieldManager=manager, **query)

    async def delete(self, path: str, body: JSONValue = None, **query: str) -> Answer:
        """DELETE."""
        return await self.request("DELETE", path, body, **query)

    async def made(self, path: str, body: JSONObject) -> Answer:
        """POST of something that must be fine."""
        answer = await self.post(path, body)
        assert answer.code == 201, answer.body
        return answer

    @contextlib.asynccontextmanager
    async def watch(self, path: str, accept: str = JSON, **query: str) -> AsyncIterator[Events]:
        """A watch that has begun."""
        async with self._session.get(
            path, params={"watch": "true", **query}, headers={"Accept": accept}
        ) as response:
            assert response.status == 200, await response.text()
            yield Events(response)

    async def until_gone(self, path: str, seconds: float = SECONDS) -> None:
        """Returns when nothing is found under the path any more."""

        async def is_gone() -> bool:
            found = await self.get(path)
            if found.code == 200 and path.startswith(CRDS) and does_not_go(found.body):
                version = text(found.body, "metadata", "resourceVersion")
                nudged: JSONObject = {"nudged-at": version}
                await self.patch(path, {"metadata": {"annotations": nudged}})
            return found.code == 404

        await eventually(is_gone, seconds)


@dataclass(frozen=True)
class Result:
    """What a run of a program came to."""

    code: int
    out: str
    err: str


class Kubectl:
    """Runs of the stock kubectl."""

    def __init__(
        self, binary: Path, kubeconfig: Path, namespace: str, environment: Mapping[str, str]
    ) -> None:
        self._command = [str(binary), "--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self._environment = dict(environment)

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """One run, however it ends."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._environment, **environment},
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate(stdin.encode())
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return Result(process.returncode or 0, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """One run that must succeed; what it printed."""
        result = await self.run(*arguments, stdin=stdin, **environment)
        assert result.code == 0, result.err + result.out
        return result.out

    @contextlib.asynccontextmanager
    async def reading(self, *arguments: str) -> AsyncIterator["Lines"]:
        """A run that goes on until the block is left; its lines as they come."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        assert process.stdout is not None
        try:
            yield Lines(process.stdout)
        finally:
            process.kill()
            await process.communicate()


class Lines:
    """What a program prints, line by line."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream

    async def next(self) -> str:
        """The next line."""
        async with asyncio.timeout(SECONDS):
            return (await self._stream.readline()).decode()
