"""What the services share: their sockets, how a call is refused, which field was sent."""

import asyncio
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from devcluster.spire.refusal import Refusal

ServicerContext: TypeAlias = grpc.aio.ServicerContext[Message, Message]
M = TypeVar("M", bound=Message)


async def listen(server: grpc.aio.Server, socket: Path) -> None:
    """Serve on a unix socket, in the place of whatever lies there."""
    await asyncio.to_thread(socket.unlink, missing_ok=True)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()


async def hang_up(server: grpc.aio.Server | None, socket: Path) -> None:
    """Break all connections, if it serves, and leave the socket."""
    if server is not None:
        await server.stop(grace=None)
    await asyncio.to_thread(socket.unlink, missing_ok=True)


async def abort(context: ServicerContext, refusal: Refusal) -> NoReturn:
    """End a call with the refusal's status."""
    await context.abort(refusal.code, str(refusal))


def sent(request: Message, name: str, value: M) -> M | None:
    """The value of a field that holds a message, or None when it was not sent."""
    return value if request.HasField(name) else None
