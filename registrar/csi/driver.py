"""The driver on its sockets: one that the kubelet calls, one in the kubelet's registry folder."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a socket gives to those who connect: the kubelet, for only root can.

    A kubelet opens a connection for each call, and a node that starts publishes all its volumes
    at one time, some of which wait for their first SVID.
    """

    connections: int = 1000
    """At one time; more are closed."""
    calls: int = 1000
    """At one time; more are answered with RESOURCE_EXHAUSTED."""
    message_bytes: int = 2**21
    """Of a request; more is answered with RESOURCE_EXHAUSTED. No object of Kubernetes is larger."""
    header_bytes: int = 16 * 1024
    """Of a request's header; more is answered with RESOURCE_EXHAUSTED."""
    handshake_seconds: float = 10.0
    """Until a connection speaks HTTP/2."""
    idle_seconds: float = 300.0
    """Without a call, until a connection is closed."""
    age_seconds: float = 1800.0
    """Until a connection takes no more calls; a call that never ends is cut after as long again."""

    def options(self) -> tuple[tuple[str, int], ...]:
        """The same in gRPC's words."""
        return (
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.max_concurrent_streams", self.calls),
            ("grpc.max_receive_message_length", self.message_bytes),
            ("grpc.max_metadata_size", self.header_bytes),
            ("grpc.absolute_max_metadata_size", self.header_bytes),
            ("grpc.server_handshake_timeout_ms", _milliseconds(self.handshake_seconds)),
            ("grpc.http2.settings_timeout", _milliseconds(self.handshake_seconds)),
            ("grpc.max_connection_idle_ms", _milliseconds(self.idle_seconds)),
            ("grpc.max_connection_age_ms", _milliseconds(self.age_seconds)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(self.age_seconds)),
        )


LIMITS = Limits()


@asynccontextmanager
async def serve_csi(
    socket: Path, *, node: NodeService, version: str, limits: Limits = LIMITS
) -> AsyncIterator[None]:
    """Serve CSI on a unix socket for the time of the block. Raises InvalidField."""
    identity = IdentityService(name=DRIVER_NAME, version=version)

    def add(server: grpc.aio.Server) -> None:
        csi_pb2_grpc.add_IdentityServicer_to_server(identity, server)
        csi_pb2_grpc.add_NodeServicer_to_server(node, server)

    async with _kept_served(add, socket, field="csi_socket_path", limits=limits):
        yield


@asynccontextmanager
async def registered(folder: Path, endpoint: Path) -> AsyncIterator[RegistrationService]:
    """Be found by the kubelet for the time of the block. Raises InvalidField."""
    service = RegistrationService(name=DRIVER_NAME, endpoint=endpoint)

    def add(server: grpc.aio.Server) -> None:
        pluginregistration_pb2_grpc.add_RegistrationServicer_to_server(service, server)

    where = folder / REGISTRATION_SOCKET
    async with _kept_served(add, where, field="registration_dir", limits=LIMITS):
        yield service


@asynccontextmanager
async def _kept_served(
    add: Callable[[grpc.aio.Server], None], socket: Path, *, field: str, limits: Limits
) -> AsyncIterator[None]:
    """Serve on a socket, and anew whenever somebody has removed or replaced it.

    Whoever sets a node up anew may empty the registry; a driver before us that ends late takes the
    socket along that it believes to be its own.
    """
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(_keep(add, socket, field, ready, limits))
        await ready.wait()
        try:
            yield
        finally:
            keeping.cancel()


async def _keep(
    add: Callable[[grpc.aio.Server], None],
    socket: Path,
    field: str,
    ready: asyncio.Event,
    limits: Limits,
) -> None:
    said = ""
    while True:
        server = grpc.aio.server(options=limits.options(), maximum_concurrent_rpcs=limits.calls)
        add(server)
        try:
            async with _served(server, socket, field=field) as made:
                ready.set()
                said = ""
                while await in_thread(_identity_of, socket) == made:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_LOOK_SECONDS)
            log.warning("the socket has gone: serving anew", extra=kv(socket=str(socket)))
        except InvalidField as error:
            if not ready.is_set():
                raise
            if str(error) != said:
                # Once, however often it is tried; that it serves again is a line of its own.
                said = str(error)
                log.warning("cannot serve", extra=kv(why=said))
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def _served(
    server: grpc.aio.Server, socket: Path, *, field: str
) -> AsyncIterator[tuple[int, int] | None]:
    """Serve on a unix socket that only root may use; gives what tells it from others.

    Raises InvalidField.
    """
    if len(os.fsencode(socket)) > _SOCKET_PATH_BYTES:
        remedy = f"longer than the {_SOCKET_PATH_BYTES} bytes that the path of a socket may have"
        raise InvalidField(field, str(socket), remedy)
    try:
        await in_thread(_make_way, socket)
        server.add_insecure_port(f"unix:{socket}")
        await server.start()
        await in_thread(os.chmod, socket, 0o600)
        made = await in_thread(_identity_of, socket)
    except (OSError, RuntimeError) as error:
        raise InvalidField(field, str(socket), f"cannot listen there: {error}") from error
    log.info("serving", extra=kv(socket=str(socket)))
    try:
        yield made
    finally:
        await server.stop(_GRACE_SECONDS)
        await in_thread(_remove, socket, made)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _make_way(socket: Path) -> None:
    """Remove the socket that a driver before us left."""
    socket.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)


def _identity_of(socket: Path) -> tuple[int, int] | None:
    """What tells a socket from another of its name; None where there is none."""
    try:
        found = socket.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _remove(socket: Path, made: tuple[int, int] | None) -> None:
    """Remove our socket, not one that somebody else has made in its place."""
    if _identity_of(socket) == made:
        socket.unlink(missing_ok=True)
