"""What the driver's socket bears: clients that are slow, huge or many, and the others meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import grpc
import pytest

from api.proto import csi_pb2, csi_pb2_grpc
from registrar.csi.driver import Limits, serve_csi
from registrar.csi.node import NodeService
from tests.support.waiting import eventually

SECONDS = 60.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


class SlowNode(csi_pb2_grpc.NodeServicer):
    """NodeGetInfo waits until it is let go; everything else is not there."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.number = 0

    async def NodeGetInfo(  # noqa: N802 - gRPC names the methods of a service
        self, request: csi_pb2.NodeGetInfoRequest, context: object
    ) -> csi_pb2.NodeGetInfoResponse:
        del request, context
        self.number += 1
        await self.let_go.wait()
        return csi_pb2.NodeGetInfoResponse(node_id="n")


@asynccontextmanager
async def serving(
    folder: Path, limits: Limits, node: SlowNode | None = None
) -> AsyncIterator[Path]:
    socket = folder / "csi.sock"
    service = cast(NodeService, node or SlowNode())  # type: ignore[abstract]
    async with serve_csi(socket, node=service, version="test", limits=limits):
        yield socket


async def probed(channel: grpc.aio.Channel, **options: object) -> bool:
    stub = csi_pb2_grpc.IdentityStub(channel)
    answer = await stub.Probe(csi_pb2.ProbeRequest(), timeout=SECONDS, **options)  # type: ignore[arg-type]
    return answer.ready.value


async def others_are_served(socket: Path) -> None:
    async def is_served() -> bool:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
            try:
                return await probed(channel)
            except grpc.aio.AioRpcError:
                return False

    await eventually(is_served)


async def is_cut(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(SECONDS):
        try:
            while await reader.read(1000):
                pass
        except ConnectionError:
            return


async def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()  # type: ignore[misc]
    return caught.value.code(), caught.value.details() or ""


async def test_a_request_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, Limits(message_bytes=1000)) as socket,
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        publish = csi_pb2_grpc.NodeStub(channel).NodePublishVolume
        request = csi_pb2.NodePublishVolumeRequest(volume_id="x" * 2000)
        code, words = await refusal(lambda: publish(request, timeout=SECONDS))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in words
        assert await probed(channel)


async def test_a_header_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, Limits(header_bytes=2000)) as socket,
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        code, _ = await refusal(lambda: probed(channel, metadata=(("x", "y" * 4000),)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await probed(channel)


async def test_more_calls_than_there_may_be_are_refused_and_later_ones_served(
    tmp_path: Path,
) -> None:
    node = SlowNode()  # type: ignore[abstract] # the others are there when it runs
    async with (
        serving(tmp_path, Limits(calls=2), node) as socket,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(
                    f"unix:{socket}", options=[("grpc.use_local_subchannel_pool", 1)]
                )
            )
            for _ in range(3)
        ]

        async def ask(channel: grpc.aio.Channel) -> str:
            stub = csi_pb2_grpc.NodeStub(channel)
            answer = await stub.NodeGetInfo(csi_pb2.NodeGetInfoRequest(), timeout=SECONDS)
            return answer.node_id

        busy = [tasks.create_task(ask(channel)) for channel in channels[:2]]

        async def both_are_asked() -> bool:
            return node.number == 2

        await eventually(both_are_asked)
        code, _ = await refusal(lambda: probed(channels[2]))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        node.let_go.set()
        assert [await task for task in busy] == ["n", "n"]
        await others_are_served(socket)


async def test_more_connections_than_there_may_be_are_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, Limits(connections=3)) as socket:
        opened = [await asyncio.open_unix_connection(str(socket)) for _ in range(6)]
        for _, writer in opened:
            writer.write(PREFACE)
        # Those that are too many are closed at once, whichever they are.
        reading = [asyncio.ensure_future(is_cut(reader)) for reader, _ in opened]  # noqa: TID251 - to see who is first
        done: set[asyncio.Future[None]] = set()
        async with asyncio.timeout(SECONDS):
            while len(done) < 3:
                done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.01)
        for task in reading:
            task.cancel()
        for _, writer in opened:
            writer.transport.abort()
        await others_are_served(socket)


@pytest.mark.parametrize("start", [b"", b"PRI * HT", b"GET / HTTP/1.1\r\n\r\n"])
async def test_who_speaks_no_http2_in_time_is_hung_up_on(tmp_path: Path, start: bytes) -> None:
    async with serving(tmp_path, Limits(handshake_seconds=0.2)) as socket:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(start)
        await is_cut(reader)
        writer.transport.abort()
        await others_are_served(socket)


async def test_who_calls_nothing_is_hung_up_on(tmp_path: Path) -> None:
    async with serving(tmp_path, Limits(idle_seconds=0.2)) as socket:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(PREFACE)
        await is_cut(reader)
        writer.transport.abort()
        await others_are_served(socket)


async def test_a_call_whose_request_never_comes_has_an_end(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, Limits(age_seconds=0.3)) as socket,
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        probe: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            "/csi.v1.Identity/Probe"
        )
        call = probe()
        code, _ = await refusal(lambda: call)
        assert code is grpc.StatusCode.UNAVAILABLE
        await others_are_served(socket)
