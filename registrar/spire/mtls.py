"""The connection over TCP: gRPC dials the private socket of ``relay.py``, which speaks TLS.

It speaks as the SVID that ``workload.py`` follows. When the SVID rotates, new
calls go out on a new channel; the old one is closed when its last call has
ended. Imported only where the server is reached over TCP.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from registrar.settings.model import TCPAddress
from registrar.spire.background import background
from registrar.spire.channel import Connection
from registrar.spire.relay import Relay
from registrar.spire.workload import X509Source


@asynccontextmanager
async def open_mtls(address: TCPAddress, *, trust_domain: str) -> AsyncIterator[Connection]:
    """A connection to the server of a trust domain, until the block is left."""
    changed = asyncio.Event()
    source = X509Source(
        address.workload_api_socket,
        authorities_of=trust_domain,
        on_change=lambda _: changed.set(),
    )
    relay = Relay(
        host=address.host,
        port=address.port,
        server_id=f"spiffe://{trust_domain}/spire/server",
        identity=source.identity,
        waiting_for=lambda: source.problem,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(relay.serve())
        connection = Connection(relay.target, why_not=lambda: relay.problem or source.problem)
        stack.push_async_callback(connection.close)
        tasks = await stack.enter_async_context(background())
        tasks.create_task(source.run(), name="workload-api")
        tasks.create_task(_redial(connection, source, relay, changed), name="redial")
        yield connection


async def _redial(
    connection: Connection, source: X509Source, relay: Relay, changed: asyncio.Event
) -> None:
    """Redial with each identity; with the first only if the first connection gave up before."""
    used = await source.identity()
    if relay.problem:
        # gRPC would make a pause of its own before the next attempt.
        await connection.redial()
    while True:
        await changed.wait()
        changed.clear()
        newest = await source.identity()
        if newest is not used:
            used = newest
            await connection.redial()
