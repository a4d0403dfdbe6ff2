"""The HTTPS server that an API server calls; each path has a validator."""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from api.codec import encode
from registrar.admission.review import BadReviewError, Validator, answer, read_review
from registrar.errors import InvalidField
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

LARGEST_BODY = 8 * 2**20
"""An API server sends two versions of an object, each 3 MiB at most."""

EVERY_PATH = "/{path:.*}"
"""Stands for all paths among the validators'."""

_SHUTDOWN_SECONDS = 5.0


@asynccontextmanager
async def serve(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    validators: Mapping[str, Validator],
    field: str = "webhook.port",
) -> AsyncIterator[int]:
    """Listen for the time of the block; gives the port.

    ``context`` may be given other certificates meanwhile: new connections see
    them. Raises InvalidField, naming the setting ``field``, for an address that
    cannot be had.
    """
    application = web.Application(client_max_size=LARGEST_BODY)
    for path, validator in validators.items():
        application.router.add_post(path, _handler(validator))
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host or None, port, ssl_context=context).start()
        except (OSError, OverflowError) as error:
            raise InvalidField(field, f"{host}:{port}", f"cannot listen there: {error}") from error
        found = next(int(a[1]) for a in runner.addresses if isinstance(a, tuple))
        log.info("serving admission webhooks", extra=kv(port=found))
        yield found
    finally:
        await runner.cleanup()


def _handler(validator: Validator) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            review = read_review(body)
        except BadReviewError as error:
            return web.Response(status=400, text=f"{error}\n")
        if review.request is None:
            return web.Response(status=400, text="request is missing\n")
        verdict = validator(review.request)
        if not verdict.allowed:
            log.info("refused", extra=kv(object=review.request.name, why=verdict.message))
        return web.Response(body=encode(answer(review, verdict)), content_type="application/json")

    return handle
