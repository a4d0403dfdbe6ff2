"""A front of an API server: records every call, and answers some of them otherwise.

It passes on what it is asked, so whoever is behind it may be embedded or real. What is not passed
on is what a test of an API server's own answers needs: rights that an account lacks, calls that
are refused, another time.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from aiohttp import web

from api.codec import JSONObject
from api.documents import dump_yaml
from tests.support.setup import Setup

_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
_NOT_PASSED = {"Date", "Content-Length", "Transfer-Encoding", "Connection"}


@dataclass
class Front:
    """What is answered otherwise.

    ``denied`` are rights, as ``verb resource``, ``refused`` are starts of paths that may not be
    read, and ``pages`` texts by their paths.
    """

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    reviewed: list[JSONObject] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    pages: dict[str, str] = field(default_factory=dict)
    ahead_seconds: float = 0.0

    @property
    def writes(self) -> list[tuple[str, str]]:
        """What would have changed something: everything but reads and reviews."""
        return [
            (method, path)
            for method, path in self.asked
            if method != "GET" and not (method == "POST" and path.startswith(_REVIEWS))
        ]

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig file for it."""
        name = "front"
        document: JSONObject = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": "secret"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
        path = folder / "front.yaml"
        path.write_text(dump_yaml(document), encoding="utf-8")
        return path

    def denies(self, review: JSONObject) -> bool:
        """Whether the review asks for a right that is denied."""
        spec = review.get("spec")
        asked = spec.get("resourceAttributes") if isinstance(spec, dict) else None
        if not isinstance(asked, dict):
            return False
        resource = str(asked["resource"])
        if asked.get("subresource"):
            resource = f"{resource}/{asked['subresource']}"
        return f"{asked['verb']} {resource}" in self.denied


@asynccontextmanager
async def front(setup: Setup) -> AsyncIterator[Front]:
    """Serve on a free port in front of a Setup's API server."""
    made = Front()

    async def handle(request: web.Request) -> web.StreamResponse:
        made.asked.append((request.method, request.path))
        body = await request.read()
        is_review = request.path.startswith(_REVIEWS)
        review = json.loads(body) if is_review else {}
        if is_review:
            made.reviewed.append(review)
        if any(request.path.startswith(path) for path in made.refused):
            status = {"kind": "Status", "reason": "Forbidden", "message": "not for you"}
            return web.json_response(status, status=403)
        if request.path in made.pages:
            return web.Response(text=made.pages[request.path])
        async with setup.http.request(
            request.method,
            setup.url + request.path_qs,
            data=body or None,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        ) as answer:
            content = await answer.read()
            if made.denies(review):
                content = _denied(content)
            now = datetime.now(UTC) + timedelta(seconds=made.ahead_seconds)
            headers = {k: v for k, v in answer.headers.items() if k not in _NOT_PASSED}
            headers["Date"] = format_datetime(now, usegmt=True)
            return web.Response(body=content, status=answer.status, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        made.url = f"http://{host}:{port}"
        yield made
    finally:
        await runner.cleanup()


def _denied(content: bytes) -> bytes:
    document = json.loads(content)
    document["status"] = {"allowed": False}
    return json.dumps(document).encode()
