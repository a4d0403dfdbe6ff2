"""A proxy before the SPIRE server that makes trouble, call by call.

It is a gRPC server of its own that knows no message: it passes the bytes of every call on. Only
to spoil the items of a batch it looks at how many there are.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio

from hack.soak import wire
from hack.soak.apiproxy import Dropped, Hook, Write, nothing

_INTERNAL = 13
_WRITES = ("Create", "Update", "Delete", "Set", "Append")
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

Call = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


@dataclasses.dataclass(slots=True)
class Trouble:
    """What is wrong now."""

    delay_seconds: float = 0.0
    is_unavailable: bool = False
    loses_answers: bool = False
    spoils_items: bool = False


class SpireProxy(grpc.GenericRpcHandler):
    """One proxy, for one replica, on a socket of its own."""

    def __init__(self, upstream: Path, socket: Path) -> None:
        self.trouble = Trouble()
        self.before: Hook = nothing
        self.after: Hook = nothing
        self.over: Callable[[Write], None] = lambda _: None
        """Told of each write that has come to an end, also by being given up."""
        self.writes = 0
        self.calls = 0
        self.spoiled = 0
        self.last_write = ""
        self.socket = socket
        self._upstream = upstream
        self._channel: grpc.aio.Channel | None = None

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve until the block ends."""
        options = [
            *_OPTIONS,
            ("grpc.default_authority", "localhost"),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 300),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(f"unix:{self.socket}")
        async with grpc.aio.insecure_channel(f"unix:{self._upstream}", options=options) as channel:
            self._channel = channel
            await server.start()
            try:
                yield
            finally:
                await server.stop(0.1)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Take every method."""
        return grpc.unary_unary_rpc_method_handler(self._call(handler_call_details.method))

    def _call(self, method: str) -> Call:
        name = method.rpartition("/")[2]

        is_write = any(word in name for word in _WRITES)

        async def call(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            self.calls += 1
            write = Write(self.writes, name)
            self.writes += is_write
            try:
                return await handle(request, context, write)
            finally:
                if is_write:
                    self.over(write)

        async def handle(
            request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]", write: Write
        ) -> bytes:
            trouble = self.trouble
            if is_write:
                self.last_write = name
                await self._tell(self.before, write, context)
            if trouble.delay_seconds:
                await asyncio.sleep(trouble.delay_seconds)
            if trouble.is_unavailable:
                self.spoiled += 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "trouble made by the soak")
            if is_write and trouble.spoils_items and name.startswith("Batch"):
                self.spoiled += 1
                return spoiled(request)
            answer = await self._pass(method, request, context)
            if is_write:
                await self._tell(self.after, write, context)
                if trouble.loses_answers:
                    self.spoiled += 1
                    words = "the answer was lost by the soak"
                    await context.abort(grpc.StatusCode.UNAVAILABLE, words)
            return answer

        return call

    async def _tell(
        self, hook: Hook, write: Write, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> None:
        try:
            await hook(write)
        except Dropped:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "dropped by the soak")

    async def _pass(
        self, method: str, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        if self._channel is None:
            raise RuntimeError("it does not serve")
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)
        try:
            return await call(request, timeout=context.time_remaining())
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
            raise


def spoiled(request: bytes) -> bytes:
    """Return the answer to a batch in which every item failed by itself."""
    items = len(wire.decode(request).get(1, []))
    status = wire.encode(1, _INTERNAL) + wire.encode(2, "trouble made by the soak")
    return wire.encode(1, wire.encode(1, status)) * items
