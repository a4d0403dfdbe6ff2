"""TLS to a SPIRE server that we check ourselves, as a private socket that gRPC dials.

A SPIRE server proves who it is by the URI in its certificate,
``spiffe://<trust domain>/spire/server``. gRPC for Python checks names only
against DNS and IP entries, has no hook for a check of one's own, and cannot
exchange certificates while it runs. So gRPC talks plain HTTP/2 to a listener
of this module, and this module makes the TLS connection: the chain is checked
by OpenSSL against the authorities of the trust domain and nothing else, then
the URI by us, before a byte of gRPC's is passed on. The check is made on the
very connection that is used: a probe on another one would prove nothing.

The listener is an abstract unix socket with a random name (a folder that only
we may enter where there are none), and takes connections only from this very
process: nobody else can borrow our SVID through it. Keys are handed to
OpenSSL through an anonymous file in memory and never reach a disk.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import ssl
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registrar.identity.certificates import (
    UnreadableError,
    is_authority,
    read_certificate,
    read_private_key,
    uris_of,
)
from registrar.spire.background import background
from registrar.spire.workload import X509Identity
from registrar.telemetry.logging import Throttle, kv
from registrar.tlskeys import load_from_memory

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024
_PERIOD_SECONDS = 60.0
_DEAD_PEER_MILLISECONDS = 20_000
_KEEPALIVE_IDLE_SECONDS = 30


class RefusedPeerError(Exception):
    """The server is not who it should be."""


class Relay:
    """Listens for gRPC and connects it with ``host:port``; make it with ``serve``.

    ``identity`` gives our SVID, waiting for it if need be, and ``waiting_for``
    says what for. ``target`` is what gRPC dials; ``problem`` is why the last
    connection failed, empty after one that did not.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        server_id: str,
        identity: Callable[[], Awaitable[X509Identity]],
        waiting_for: Callable[[], str],
    ) -> None:
        self._host = host
        self._port = port
        self._server_id = server_id
        self._identity = identity
        self._waiting_for = waiting_for
        self._throttle = Throttle(_PERIOD_SECONDS)
        self.target = ""
        self.problem = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Relay"]:
        """Listen until the block is left; connections end with it."""
        async with contextlib.AsyncExitStack() as stack:
            if sys.platform == "linux":
                name = f"spire-registrar-{secrets.token_hex(16)}"
                path, self.target = f"\0{name}", f"unix-abstract:{name}"
            else:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                path = str(Path(folder) / "relay.sock")
                self.target = f"unix:{path}"
            tasks = await stack.enter_async_context(background())

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                serving = self._serve_one(reader, writer)
                try:
                    task = tasks.create_task(serving)
                except RuntimeError:
                    # It came in while we were leaving.
                    serving.close()
                    writer.transport.abort()
                else:
                    # Even a task that was cancelled before its first step closes.
                    task.add_done_callback(lambda _: writer.transport.abort())

            server = await asyncio.start_unix_server(accept, path=path)
            stack.callback(server.close)
            yield self

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bridge one connection of gRPC's; whatever happens ends with both sides closed."""
        stranger = _stranger(writer)
        if stranger is not None:
            # Not a word of it in ``problem``, which is about the server: anybody may try.
            held_back = self._throttle.allow("", asyncio.get_running_loop().time())
            if held_back is not None:
                words = kv(process=stranger, more=held_back)
                log.warning("another process tried to use our connection", extra=words)
            return
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                remote_reader, remote_writer = await self._connect()
        except (OSError, ssl.SSLError, RefusedPeerError) as error:
            self._failed(error)
            return
        self.problem = ""
        try:
            await _bridge(reader, writer, remote_reader, remote_writer)
        finally:
            await _close(remote_writer)
            await _close(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        identity = await self._identity()
        context = await asyncio.to_thread(client_context, identity)
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=context, limit=_CHUNK
        )
        with contextlib.ExitStack() as unless_fine:
            unless_fine.callback(writer.transport.abort)
            check_server(writer.get_extra_info("ssl_object"), self._server_id)
            _notice_dead_peers(writer.get_extra_info("socket"))
            unless_fine.pop_all()
        return reader, writer

    def _failed(self, error: Exception) -> None:
        why = str(error)
        if isinstance(error, TimeoutError):
            why = self._waiting_for() or f"no TLS connection within {_CONNECT_SECONDS:g} s"
        problem = f"{self._host}:{self._port}: {why}"
        if problem != self.problem:
            log.warning("no connection to the SPIRE server", extra=kv(why=problem))
        self.problem = problem


def client_context(identity: X509Identity) -> ssl.SSLContext:
    """TLS as our SVID, believing the authorities of the identity and no others.

    Raises RefusedPeerError when there are none: the server could be anybody.
    """
    if not identity.authorities:
        raise RefusedPeerError("the agent knows no authorities of the server's trust domain")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The server's name is the URI that check_server looks at; hosts mean nothing in SPIFFE.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # Every authority of a bundle is an end of the chain, self-signed or not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cadata=b"".join(identity.authorities))
        key = read_private_key(identity.key)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except ValueError as error:
        raise RefusedPeerError(f"the agent gave us an SVID that cannot be read: {error}") from error
    pem += b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in identity.chain)
    load_from_memory(context, pem)
    return context


def check_server(tls: ssl.SSLObject, server_id: str) -> None:
    """Whether the peer of a connection, whose chain was verified, is that SPIFFE ID.

    Raises RefusedPeerError. X.509 SVIDs carry exactly one URI and are no CAs
    (X509-SVID specification, sections 2 and 4.1).
    """
    der = tls.getpeercert(binary_form=True)
    if der is None:
        raise RefusedPeerError("the server showed no certificate")
    try:
        certificate = read_certificate(der)
        found, is_one = uris_of(certificate), is_authority(certificate)
    except UnreadableError as error:
        raise RefusedPeerError(f"the server's certificate cannot be read: {error}") from error
    if not found:
        raise RefusedPeerError("the server's certificate has no SPIFFE ID")
    if found != [server_id]:
        raise RefusedPeerError(f"the server is {', '.join(found)}, not {server_id}")
    if is_one:
        raise RefusedPeerError("the server's certificate is that of an authority")


def _stranger(writer: asyncio.StreamWriter) -> int | None:
    """The process that connects, if the system tells that it is not this one.

    One of another container may have the number 0.
    """
    if sys.platform != "linux":
        return None
    connection = writer.get_extra_info("socket")
    form = "3i"
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form))
    peer = int(struct.unpack(form, raw)[0])
    return None if peer == os.getpid() else peer


def _notice_dead_peers(connection: socket.socket) -> None:
    """Let a host that vanished break the connection within half a minute, not hours."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        tcp = socket.IPPROTO_TCP
        connection.setsockopt(tcp, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_SECONDS)
        connection.setsockopt(tcp, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MILLISECONDS)


async def _bridge(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    remote_reader: asyncio.StreamReader,
    remote_writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until either side ends."""
    async with asyncio.TaskGroup() as tasks:
        there = tasks.create_task(_copy(reader, remote_writer))
        back = tasks.create_task(_copy(remote_reader, writer))
        there.add_done_callback(lambda _: back.cancel())
        back.add_done_callback(lambda _: there.cancel())


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A connection that breaks is no news: gRPC sees it end and dials again.
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
