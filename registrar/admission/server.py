"""The HTTPS server that an API server calls; each path has a validator.

Anybody in the cluster may be able to call it too, so nothing that a caller
sends is read, decoded or judged without a bound, and none of it on the event
loop, where the Lease is renewed and the probes are answered.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from api.codec import encode
from registrar.admission.bodies import MOST_HELD, Bodies, BusyError, TooSlowError
from registrar.admission.review import (
    BadReviewError,
    Judgement,
    Question,
    Validator,
    answer,
    read_review,
)
from registrar.admission.worker import Worker
from registrar.errors import InvalidField
from registrar.telemetry.answers import Complaints, closing
from registrar.telemetry.connection import Limits
from registrar.telemetry.listening import listen
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

LARGEST_BODY = 3 * 2**20
"""An API server sends two versions of an object; etcd keeps none above 1.5 MiB."""

EVERY_PATH = "/{path:.*}"
"""Stands for all paths among the validators'."""

_SHUTDOWN_SECONDS = 3.0
"""For questions that were asked before the end. The whole process has five seconds for that."""
_THREADS = 2
"""The review that takes its time leaves one for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long the parts of a question may take, and how much all questions."""

    body_seconds: float = 5.0
    """Until its body is there: an API server gives up after ``timeoutSeconds``, 5 s here."""
    review_seconds: float = 4.0
    """From there until it is judged, waiting for a thread included."""
    held_bytes: int = MOST_HELD
    """Of the bodies of all questions together."""


BOUNDS = Bounds()


@asynccontextmanager
async def serve(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    validators: Mapping[str, Validator],
    field: str = "webhook.port",
    limits: Limits = Limits(),  # noqa: B008 - frozen
    bounds: Bounds = BOUNDS,
) -> AsyncIterator[int]:
    """Listen for the time of the block; gives the port.

    ``context`` may be given other certificates meanwhile: new connections see
    them. Raises InvalidField, naming the setting ``field``, for an address that
    cannot be had.
    """
    application = web.Application()
    bodies = Bodies(most=LARGEST_BODY, seconds=bounds.body_seconds, most_held=bounds.held_bytes)
    worker, complaints = Worker(_THREADS), Complaints()
    for path, validator in validators.items():
        handler = _Reviews(
            validator, worker=worker, bodies=bodies, bounds=bounds, complaints=complaints
        )
        application.router.add_post(path, handler.handle)
    async with contextlib.AsyncExitStack() as stack:
        try:
            found = await stack.enter_async_context(
                listen(
                    application,
                    host or None,
                    port,
                    limits=replace(limits, body_bytes=LARGEST_BODY),
                    context=context,
                    shutdown_seconds=_SHUTDOWN_SECONDS,
                )
            )
        except (OSError, OverflowError) as error:
            raise InvalidField(field, f"{host}:{port}", f"cannot listen there: {error}") from error
        log.info("serving admission webhooks", extra=kv(port=found))
        yield found


class _Reviews:
    """The questions of one path."""

    def __init__(
        self,
        validator: Validator,
        *,
        worker: Worker,
        bodies: Bodies,
        bounds: Bounds,
        complaints: Complaints,
    ) -> None:
        self._validator = validator
        self._worker = worker
        self._bodies = bodies
        self._bounds = bounds
        self._complaints = complaints

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a question; what is none, or cannot be answered in time, with an HTTP error."""
        client = request.remote or ""
        try:
            async with self._bodies.of(request) as body:
                return await self._answer(request.path, body)
        except TooSlowError:
            seconds = self._bounds.body_seconds
            self._complaints.say(
                "a client sent no whole body in time", client=client, seconds=seconds
            )
            return closing(408, f"no whole body within {seconds:g} s")
        except BusyError:
            self._complaints.say("too many large bodies at one time", client=client)
            return closing(503, "too many large bodies at one time: try again")

    async def _answer(self, path: str, body: bytes) -> web.Response:
        try:
            async with asyncio.timeout(self._bounds.review_seconds):
                question, judgement = await self._worker.do(lambda: self._read(body))
        except BadReviewError as error:
            return web.Response(status=400, text=f"{error}\n")
        except TimeoutError:
            # No denial: that the registrar is busy is no fault of the object. The API server
            # does what the webhook's failurePolicy says.
            seconds = self._bounds.review_seconds
            self._complaints.say(
                "a review took too long and was given up", path=path, seconds=seconds
            )
            return web.Response(status=503, text=f"not checked within {seconds:g} s\n")
        verdict = judgement()
        if not verdict.allowed:
            log.info("refused", extra=kv(object=question.request.name, why=verdict.message))
        return web.Response(body=encode(answer(question, verdict)), content_type="application/json")

    def _read(self, body: bytes) -> tuple[Question, Judgement]:
        """In a thread: the part that takes time. Raises BadReviewError."""
        question = read_review(body)
        return question, self._validator(question.request)
