"""The driver on its sockets: one that the kubelet calls, one in the kubelet's registry folder."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from api.proto import csi_pb2_grpc, pluginregistration_pb2_grpc
from registrar.csi.identity import DRIVER_NAME, IdentityService
from registrar.csi.node import NodeService
from registrar.csi.registration import RegistrationService
from registrar.csi.threads import in_thread
from registrar.errors import InvalidField
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

REGISTRATION_SOCKET = f"{DRIVER_NAME}-reg.sock"
_SOCKET_PATH_BYTES = 107
_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 5.0


@asynccontextmanager
async def serve_csi(
    socket: Path, *, node: NodeService, version: str, is_ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """Serve CSI on a unix socket for the time of the block. Raises InvalidField."""
    server = grpc.aio.server()
    identity = IdentityService(name=DRIVER_NAME, version=version, is_ready=is_ready)
    csi_pb2_grpc.add_IdentityServicer_to_server(identity, server)
    csi_pb2_grpc.add_NodeServicer_to_server(node, server)
    async with _served(server, socket, field="csi_socket_path"):
        yield


@asynccontextmanager
async def registered(folder: Path, endpoint: Path) -> AsyncIterator[RegistrationService]:
    """Be found by the kubelet for the time of the block.

    A kubelet that starts anew empties its folder: the socket is made again then.
    """
    service = RegistrationService(name=DRIVER_NAME, endpoint=endpoint)
    socket = folder / REGISTRATION_SOCKET
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(_keep_registered(service, socket))
        try:
            yield service
        finally:
            keeping.cancel()


async def _keep_registered(service: RegistrationService, socket: Path) -> None:
    while True:
        server = grpc.aio.server()
        pluginregistration_pb2_grpc.add_RegistrationServicer_to_server(service, server)
        async with _served(server, socket, field="registration_dir"):
            while await in_thread(socket.is_socket):  # noqa: ASYNC110 - the kubelet tells nobody
                await asyncio.sleep(_LOOK_SECONDS)
        log.info("the kubelet has emptied its registry: registering again")


@asynccontextmanager
async def _served(server: grpc.aio.Server, socket: Path, *, field: str) -> AsyncIterator[None]:
    """Serve on a unix socket that only root may use. Raises InvalidField."""
    if len(os.fsencode(socket)) > _SOCKET_PATH_BYTES:
        remedy = f"longer than the {_SOCKET_PATH_BYTES} bytes that the path of a socket may have"
        raise InvalidField(field, str(socket), remedy)
    try:
        await in_thread(_make_way, socket)
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        await in_thread(os.chmod, socket, 0o600)
    except (OSError, RuntimeError) as error:
        raise InvalidField(field, str(socket), f"cannot listen there: {error}") from error
    log.info("serving", extra=kv(socket=str(socket)))
    try:
        yield
    finally:
        await server.stop(_GRACE_SECONDS)
        with contextlib.suppress(FileNotFoundError):
            await in_thread(socket.unlink)


def _make_way(socket: Path) -> None:
    """Remove the socket that a driver before us left."""
    socket.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
