"""An API server that says exactly what a test tells it to, over a real socket.

For replies that no well-behaved server gives: cut lines, odd statuses, refused
tokens. What a real API server does is asked of the embedded one.
"""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from api.codec import JSONObject, JSONValue
from api.documents import dump_yaml

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class ScriptedAPI:
    """What was asked so far, and the function that answers."""

    url: str
    answer: Answer
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def kubeconfig(self, folder: Path, user: "JSONObject | None" = None) -> Path:
        """A kubeconfig file for this server."""
        document: JSONValue = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": user or {"token": "secret"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path = folder / "kubeconfig.yaml"
        path.write_text(dump_yaml(document))
        return path


@asynccontextmanager
async def scripted_api(
    answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedAPI]:
    """Serve on a free port; ``answer`` may be replaced at any time."""

    async def handle(request: web.Request) -> web.StreamResponse:
        api.asked.append(f"{request.method} {request.path_qs}")
        api.bodies.append(await request.read())
        return await api.answer(request)

    api = ScriptedAPI("", answer)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        api.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        await runner.cleanup()


def json_reply(document: JSONValue, status: int = 200) -> web.Response:
    """A reply of that JSON."""
    return web.json_response(document, status=status)


def status_reply(code: int, reason: str, message: str = "no") -> web.Response:
    """A Status object, as the API server refuses with."""
    return json_reply(
        {"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": message},
        code,
    )


def a_namespace_document(name: str, version: int = 1, **labels: str) -> JSONObject:
    """A Namespace as JSON."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": dict(labels),
        },
    }


def a_list_document(version: int, *items: JSONObject, token: str = "") -> JSONObject:
    """A list as JSON."""
    return {
        "kind": "List",
        "metadata": {"resourceVersion": str(version), "continue": token},
        "items": list(items),
    }


def event_line(kind: str, document: JSONObject) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"
