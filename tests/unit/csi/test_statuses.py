"""The words of a refusal arrive, however long they are and whatever stands in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from registrar.csi.identity import Context
from registrar.csi.statuses import refuse, sendable


@asynccontextmanager
async def refusing(socket: Path, words: str) -> AsyncIterator[grpc.aio.Channel]:
    async def handle(_: bytes, context: Context) -> bytes:
        await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, words)

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"b": handler}),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
            yield channel
    finally:
        await server.stop(0)


@pytest.mark.parametrize(
    "words",
    ["x" * 100_000, "文" * 2500, "%" * 9000, "\\U000e0001" * 2500, "a\udcffb", "\0\r\n"],
    ids=["long", "Chinese", "percent signs", "escapes", "no text", "control characters"],
)
async def test_words_of_any_kind_arrive_with_their_code(tmp_path: Path, words: str) -> None:
    async with refusing(tmp_path / "s", words) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a/b")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=60.0)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == sendable(words)


def test_usual_words_stay_whole() -> None:
    words = "target_path: '/a': not below /b: set kubelet_dir to the folder"
    assert sendable(words) == words
