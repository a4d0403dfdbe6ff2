"""The port for probes and metrics: alive as long as it answers, ready when it can work."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


def health_app(why_not: Callable[[], str], registry: CollectorRegistry) -> web.Application:
    """Answers /healthz, /readyz and /metrics; ``why_not`` is empty where all is ready."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        why = why_not()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(registry), headers=headers)

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    return app
