"""The client of the Delegated Identity API, against an agent that makes no sense."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from api.proto import delegatedidentity_pb2 as messages
from registrar.identity.selectors import Selector
from registrar.spire.delegated import DelegatedIdentityError, connect
from registrar.spire.gate import Problem, Trouble
from tests.support.setup import until

SERVICE = "spire.api.agent.delegatedidentity.v1.DelegatedIdentity"
GOOD = messages.SubscribeToX509BundlesResponse(
    ca_certificates={"spiffe://example.org": b"0\x01a0\x02bc"}
).SerializeToString()


async def test_nonsense_is_a_problem_and_the_next_stream_may_make_sense(tmp_path: Path) -> None:
    answers = iter([b"\xff\xff\xff", b"", GOOD])

    async def bundles(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield next(answers, GOOD)
        await asyncio.Event().wait()

    async def svids(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield b"\x0a\xff"

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                SERVICE,
                {
                    "SubscribeToX509Bundles": grpc.unary_stream_rpc_method_handler(bundles),
                    "SubscribeToX509SVIDs": grpc.unary_stream_rpc_method_handler(svids),
                },
            ),
        )
    )
    server.add_insecure_port(f"unix:{tmp_path}/admin.sock")
    await server.start()
    problems: list[Problem | None] = []
    found: list[dict[str, tuple[bytes, ...]]] = []
    try:
        async with connect(tmp_path / "admin.sock") as agent, asyncio.TaskGroup() as tasks:
            following = [
                tasks.create_task(agent.follow_bundles(found.append)),
                tasks.create_task(
                    agent.follow_svids([Selector("k8s", "ns:a")], print, problems.append)
                ),
            ]
            await until(lambda: bool(problems))
            # An empty message is one without bundles; only then a stream that says nothing ends.
            await until(lambda: bool(found))
            for task in following:
                task.cancel()
    finally:
        await server.stop(None)
    assert problems[0] is not None
    assert problems[0].trouble is Trouble.FAILED
    assert found[0] in ({}, {"example.org": (b"0\x01a", b"0\x02bc")})


async def test_an_answer_about_tokens_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    async def tokens(_request: bytes, _context: object) -> bytes:
        return b"\x0a\xff"

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                SERVICE, {"FetchJWTSVIDs": grpc.unary_unary_rpc_method_handler(tokens)}
            ),
        )
    )
    server.add_insecure_port(f"unix:{tmp_path}/admin.sock")
    await server.start()
    try:
        async with connect(tmp_path / "admin.sock") as agent:
            with pytest.raises(DelegatedIdentityError) as caught:
                await agent.fetch_tokens([Selector("k8s", "ns:a")], ["db"])
    finally:
        await server.stop(None)
    assert caught.value.problem.trouble is Trouble.FAILED
    assert "cannot be read" in caught.value.problem.message
