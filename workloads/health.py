"""The port for probes and metrics: alive as long as it answers, ready with an identity."""

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from workloads.source import Source


def health_app(source: Source, registry: CollectorRegistry) -> web.Application:
    """Answers /healthz, /readyz and /metrics."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        if source.is_ready:
            return web.Response(text=f"{source.spiffe_id}\n")
        return web.Response(status=503, text=f"{source.problem}\n")

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(registry), headers=headers)

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    return app
