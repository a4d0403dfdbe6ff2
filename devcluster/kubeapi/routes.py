"""HTTP: from a request on the wire to the verb that answers it, and back."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web

from devcluster.kubeapi import (
    conversion,
    discovery,
    listing,
    openapi,
    resource_verbs,
    reviews,
    tables,
    watch,
)
from devcluster.kubeapi.builtin import Builtins
from devcluster.kubeapi.documents import encode
from devcluster.kubeapi.faults import Faults
from devcluster.kubeapi.objects import Objects
from devcluster.kubeapi.requests import Request, find_target, verb_of
from devcluster.kubeapi.resource_verbs import Answer
from devcluster.kubeapi.status import APIError, not_acceptable
from devcluster.kubeapi.storage import Compacted, Stored
from devcluster.kubeapi.watch import Watch, Watches

_log = logging.getLogger(__name__)
_JSON = "application/json"
_OFFERED = ("application/json", "application/yaml")


def _json(body: bytes, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    answer = web.Response(body=body, status=code, content_type=_JSON)
    for warning in warnings or ():
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{escaped}"')
    return answer


def _refusal(error: APIError) -> web.Response:
    answer = _json(encode(error.document()), error.code)
    if error.code in {429, 503, 504}:
        answer.headers["Retry-After"] = "1"
    return answer


def _check_accept(accept: str) -> None:
    if not accept or "*/*" in accept or "application/*" in accept or "json" in accept:
        return
    if "yaml" not in accept and "protobuf" not in accept:
        raise not_acceptable(_OFFERED)


class Routes:
    """Answers every request to the server."""

    def __init__(
        self, objects: Objects, builtins: Builtins, faults: Faults, watches: Watches
    ) -> None:
        self._objects = objects
        self._faults = faults
        self._watches = watches
        registry = objects.registry
        self._pages: Mapping[str, Callable[[str, str], bytes | None]] = {
            "discovery": discovery.Discovery(registry).page,
            "openapi": openapi.OpenAPI(registry, builtins).page,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        try:
            return await self._answer(request)
        except APIError as error:
            return _refusal(error)
        except Exception:  # noqa: BLE001 - at the edge a bug becomes an answer; it is logged
            # The loop of the server would answer with a text that no client understands.
            _log.exception("request failed", extra={"path": request.path})
            message = "Internal error occurred: see the log of the embedded server"
            return _refusal(APIError(500, "InternalError", message))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        accept = request.headers.get("Accept", "")
        if path in {"/healthz", "/readyz", "/livez"}:
            return web.Response(text="ok")
        for page in self._pages.values():
            body = page(path, accept)
            if body is not None:
                return _document(body, accept)
        review = reviews.answer(path, request.method, await request.read())
        if review is not None:
            return _json(review, 201)
        return await self._resource(request, path, accept)

    async def _resource(
        self, request: web.BaseRequest, path: str, accept: str
    ) -> web.StreamResponse:
        target = find_target(self._objects.registry, path)
        query = dict(request.query)
        verb = verb_of(request.method, target, query)
        plural, group = target.resource.plural, target.resource.group
        seconds = self._faults.meet(verb, (plural, f"{plural}.{group}"))
        if seconds:
            await asyncio.sleep(seconds)
        _check_accept(accept)
        asked = Request(
            verb=verb,
            resource=target.resource,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            query=query,
            body=await request.read(),
            content_type=request.headers.get("Content-Type", ""),
            accept=accept,
            agent=request.headers.get("User-Agent", ""),
        )
        if verb == "watch":
            return await self._watch(request, asked)
        return self._render(asked, resource_verbs.handle(self._objects, asked))

    def _render(self, request: Request, answer: Answer) -> web.Response:
        resource = request.resource
        if answer.page is not None:
            if tables.is_wanted(request.accept):
                body = tables.page(resource, answer.page)
            elif tables.is_partial(request.accept):
                body = tables.partial_list(resource, answer.page)
            else:
                body = listing.list_document(resource, answer.page)
        elif answer.stored is not None:
            body = self._one(request, answer.stored)
        else:
            body = answer.body
        return _document(body, request.accept, answer.code, answer.warnings)

    def _one(self, request: Request, stored: Stored) -> bytes:
        resource = request.resource
        if tables.is_wanted(request.accept):
            return tables.page(resource, listing.Page([stored], stored.revision))
        if tables.is_partial(request.accept):
            return encode(tables.partial(resource, stored))
        if not stored.raw:
            return encode(conversion.from_stored(resource, stored.document))
        return conversion.raw(resource, stored)

    async def _watch(self, request: web.BaseRequest, asked: Request) -> web.StreamResponse:
        options = listing.read_options(asked.query)
        render: watch.Render | None = None
        if tables.is_wanted(asked.accept):
            render = tables.WatchRows(asked.resource).event
        elif tables.is_partial(asked.accept):
            render = tables.partial_event(asked.resource)
        store = self._objects.store
        stream = web.StreamResponse(headers={"Content-Type": _JSON})
        try:
            opened = Watch(store, asked.resource, asked.namespace, options, render)
        except Compacted as error:
            refusal = watch.gone(error.asked, error.oldest)
            if self._faults.expired_as_status:
                raise refusal from error
            await stream.prepare(request)
            await stream.write(watch.error_line(refusal))
            return stream
        await stream.prepare(request)
        try:
            with self._watches.open() as signal:
                await opened.run(stream, signal)
        except ConnectionError:
            _log.debug("the watcher went away", extra={"path": request.path})
        return stream


def _document(
    body: bytes, accept: str, code: int = 200, warnings: list[str] | None = None
) -> web.Response:
    first = accept.partition(",")[0]
    if "yaml" in first:
        answer = _json(tables.as_yaml(body), code, warnings)
        answer.content_type = "application/yaml"
        return answer
    answer = _json(body, code, warnings)
    if "g=apidiscovery.k8s.io" in accept and body.startswith(b'{"kind":"APIGroupDiscoveryList"'):
        answer.headers["Content-Type"] = discovery.AGGREGATED
    return answer
