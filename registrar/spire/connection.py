"""The connection to the SPIRE server: its unix socket, or TCP with mTLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from registrar.settings.model import SpireAddress, UnixAddress
from registrar.spire.channel import Connection

__all__ = ["Connection", "open_connection"]


@asynccontextmanager
async def open_connection(address: SpireAddress, *, trust_domain: str) -> AsyncIterator[Connection]:
    """A connection to the server of a trust domain, until the block is left.

    It does not wait for the server, nor for an SVID: calls fail with
    Unavailable, and say why, until both are there.
    """
    if not isinstance(address, UnixAddress):
        # TLS of our own brings a library along that the socket does not need.
        from registrar.spire.mtls import open_mtls  # noqa: PLC0415

        async with open_mtls(address, trust_domain=trust_domain) as connection:
            yield connection
        return
    connection = Connection(f"unix:{address.path}")
    try:
        yield connection
    finally:
        await connection.close()
