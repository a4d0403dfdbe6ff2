"""The node driver's demo: SVIDs as files of two Pods that talk TLS while everything rotates.

The driver is the real one, with real mounts in a mount namespace of this
process. An embedded agent, a stand-in for the kubelet, and two workloads that
know nothing of SPIFFE but files are all that there is around it.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from demo.failure import DemoFailed
from devcluster.kubelet import InlineVolume, Kubelet, driver_configuration
from devcluster.mounts import unmount_below
from devcluster.spire.agent import Agent
from devcluster.spire.server import SpireServer
from manager.csiprocess import CSIProcess
from registrar.csi.identity import DRIVER_NAME
from registrar.settings.csi import interpret_csi

_TTL_SECONDS = 6.0
"""SVIDs are renewed at half of it."""

_ROTATIONS = 6
"""So many make the end of a demo that is played once."""

_PAUSE_SECONDS = 0.02


@dataclass
class Count:
    """What has happened so far."""

    handshakes: int = 0
    certificates: set[int] = field(default_factory=set)
    roots: set[bytes] = field(default_factory=set)


async def play_files(folder: Path, *, once: bool, ttl_seconds: float = _TTL_SECONDS) -> None:
    """Everything, until enough has rotated or the user stops it. Raises DemoFailed."""
    async with AsyncExitStack() as stack:
        spire = await stack.enter_async_context(
            SpireServer.serve(socket_path=folder / "server.sock")
        )
        agent = await stack.enter_async_context(
            Agent.serve(
                spire.state,
                spire.authority,
                admin_socket=folder / "admin.sock",
                ttl_seconds=ttl_seconds,
            )
        )
        kubelet = await stack.enter_async_context(Kubelet.start(folder / "kubelet"))
        await stack.enter_async_context(_driver(folder))
        stack.push_async_callback(asyncio.to_thread, unmount_below, folder)
        await kubelet.registered(DRIVER_NAME)
        print(f"the kubelet has registered {DRIVER_NAME}")
        paths = []
        for pod in ("server", "client"):
            volume = InlineVolume(folder / "kubelet", pod)
            spire.state.put(_entry(pod))
            paths.append(await kubelet.publish(DRIVER_NAME, volume))
            print(f"published the volume of Pod {pod}:")
            print(await asyncio.to_thread(_listing, paths[-1]))
        await _talk(agent, *paths, once=once)


@contextlib.asynccontextmanager
async def _driver(folder: Path) -> AsyncIterator[None]:
    """The driver's process, within this one."""
    settings = interpret_csi(
        driver_configuration(folder, "demo"), path=Path("demo"), environment={}
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(CSIProcess(settings).run())
        try:
            yield
        finally:
            running.cancel()


async def _talk(agent: Agent, server: Path, client: Path, *, once: bool) -> None:
    """Shake hands over and over while certificates and, once, the root rotate."""
    count = Count()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        port = listening.getsockname()[1]
        print(f"a TLS server listens on port {port}; its client shakes hands all the time")
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(_serve(listening, server))
            await _keep_shaking(agent, port, client, count, once=once)
            serving.cancel()
    print(f"{count.handshakes} handshakes, none failed")


async def _keep_shaking(agent: Agent, port: int, client: Path, count: Count, *, once: bool) -> None:
    shown = 0
    while not once or len(count.certificates) <= _ROTATIONS:
        await _shake_hands(port, client, count)
        if len(count.certificates) != shown:
            shown = len(count.certificates)
            print(
                f"{count.handshakes:5} handshakes without a failure, "
                f"{shown} certificates seen, {len(count.roots)} bundles"
            )
            _rotate_root(agent, shown)
        await asyncio.sleep(_PAUSE_SECONDS)


def _rotate_root(agent: Agent, certificates: int) -> None:
    """A new root is added first, then used, and only then the old one goes."""
    if certificates == 2:
        agent.add_authority()
    elif certificates == 5:
        agent.drop_authorities()


async def _shake_hands(port: int, client: Path, count: Count) -> None:
    """One connection with what the files hold now, both sides verified. Raises DemoFailed."""
    context = await asyncio.to_thread(_context, client, ssl.PROTOCOL_TLS_CLIENT)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        answer = await reader.read()
        tls = writer.get_extra_info("ssl_object")
        names = [value for _, value in tls.getpeercert()["subjectAltName"]]
        count.certificates.add(int(tls.getpeercert()["serialNumber"], 16))
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    except (OSError, ssl.SSLError) as error:
        raise DemoFailed(f"handshake {count.handshakes + 1} failed: {error}") from error
    if names != ["spiffe://example.org/server"] or answer != b"spiffe://example.org/client":
        raise DemoFailed(f"the server is {names}, and took us for {answer!r}")
    count.handshakes += 1
    count.roots.add(await asyncio.to_thread((client / "bundle.pem").read_bytes))


class _Answer(asyncio.Protocol):
    """Tells a client who it is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over, and the client's certificate verified."""
        if isinstance(transport, asyncio.WriteTransport):
            certificate = transport.get_extra_info("ssl_object").getpeercert()
            transport.write(certificate["subjectAltName"][0][1].encode())
            transport.close()


async def _serve(listening: socket.socket, volume: Path) -> None:
    """Answer each client with what the files hold when it connects."""
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listening)
        context = await asyncio.to_thread(_context, volume, ssl.PROTOCOL_TLS_SERVER)
        # What goes wrong is the client's to say.
        with contextlib.suppress(OSError, ssl.SSLError):
            await loop.connect_accepted_socket(_Answer, connection, ssl=context)


def _context(volume: Path, protocol: int) -> ssl.SSLContext:
    """What the files of one version hold: the link is followed once, so that all are of it."""
    folder = (volume / "..data").resolve()
    context = ssl.SSLContext(protocol)
    context.check_hostname = False  # names are SPIFFE IDs, which are checked after the handshake
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "bundle.pem")
    context.load_cert_chain(folder / "svid.pem", folder / "svid_key.pem")
    return context


def _entry(pod: str) -> Entry:
    return Entry(
        spiffe_id=SPIFFEID(trust_domain="example.org", path=f"/{pod}"),
        parent_id=SPIFFEID(trust_domain="example.org", path="/spire/agent/demo"),
        selectors=[
            Selector(type="k8s", value="ns:default"),
            Selector(type="k8s", value=f"pod-name:{pod}"),
        ],
    )


def _listing(volume: Path) -> str:
    lines = []
    for path in sorted(volume.iterdir()):
        if not path.name.startswith("..v"):
            link = f" -> {path.readlink()}" if path.is_symlink() else ""
            lines.append(f"  {path.name}{link}")
    return "\n".join(lines)
