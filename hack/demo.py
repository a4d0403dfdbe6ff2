"""The demo of a checkout: that of `spire-registrar dev`, and more of it on real servers.

Without `--real` or `--cluster` all arguments are those of `spire-registrar dev`. With `--real` the
same story is played on the Kubernetes control plane and the SPIRE server that `make tools` builds.
With `--cluster` a real node is started, and a Pod on it gets its SVID as files.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from api.codec import JSONObject  # noqa: E402 - needs the line above
from api.crd import CUSTOM_KINDS, crd  # noqa: E402
from api.documents import dump_yaml  # noqa: E402
from api.proto import bundle_pb2, bundle_pb2_grpc, entry_pb2, entry_pb2_grpc  # noqa: E402
from api.proto.types_pb2 import Bundle, Entry, Status  # noqa: E402
from demo.command import play_to_its_end  # noqa: E402
from demo.failure import DemoFailed  # noqa: E402
from demo.play import LOG, play_in  # noqa: E402
from devcluster.client import Client  # noqa: E402
from devcluster.nodes import add_node, run_pods  # noqa: E402
from hack import tool_build  # noqa: E402
from hack.compilers import ToolError  # noqa: E402
from hack.control_plane import ControlPlane  # noqa: E402
from hack.node import demo as node_demo  # noqa: E402
from hack.node.preparation import may_install  # noqa: E402
from hack.processes import ServerError  # noqa: E402
from hack.spire import RealServer  # noqa: E402
from manager.cli import main as command_line  # noqa: E402

_SECONDS = 60.0


class RealWorld:
    """Real servers as the demo sees them; there are no nodes, so one is pretended."""

    def __init__(self, plane: ControlPlane, spire: RealServer, client: Client) -> None:
        self.client = client
        self.kubeconfig = plane.kubeconfig
        self.spire_socket = spire.socket_path
        self._channel = grpc.aio.insecure_channel(
            f"unix:{spire.socket_path}", options=[("grpc.default_authority", "localhost")]
        )
        self._entries = entry_pb2_grpc.EntryStub(self._channel)
        self._bundles = bundle_pb2_grpc.BundleStub(self._channel)

    @classmethod
    @asynccontextmanager
    async def serve(cls, plane: ControlPlane, spire: RealServer) -> AsyncIterator["RealWorld"]:
        """Use these servers until the block ends."""
        kinds = "---\n".join(dump_yaml(crd(custom)) for custom in CUSTOM_KINDS)
        await asyncio.to_thread(plane.run_kubectl, "apply", "-f", "-", stdin=kinds)
        names = [f"crd/{custom.kind.resource}" for custom in CUSTOM_KINDS]
        established = ("wait", "--for=condition=Established", "--timeout=30s", *names)
        await asyncio.to_thread(plane.run_kubectl, *established)
        # The garbage collector looks for new kinds every 30 s only, but at once when it starts.
        await asyncio.to_thread(plane.stop_controller_manager)
        await asyncio.to_thread(plane.start_controller_manager)
        headers = {"Authorization": f"Bearer {plane.token}"}
        connector = aiohttp.TCPConnector(ssl=plane.tls_context())
        async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
            world = cls(plane, spire, Client(http, plane.url))
            await add_node(world.client)
            async with world._channel, asyncio.TaskGroup() as tasks:
                kubelet = tasks.create_task(run_pods(world.client))
                try:
                    yield world
                finally:
                    kubelet.cancel()

    async def apply(self, documents: Iterable[JSONObject]) -> None:
        """Apply objects in their order."""
        for document in documents:
            await self.client.apply(document)

    async def entries(self) -> list[Entry]:
        """All entries on the SPIRE server."""
        request = entry_pb2.ListEntriesRequest()
        return list((await self._entries.ListEntries(request, timeout=_SECONDS)).entries)

    async def put_entry(self, entry: Entry) -> None:
        """Make an entry as somebody else would."""
        request = entry_pb2.BatchCreateEntryRequest(entries=[entry])
        answer = await self._entries.BatchCreateEntry(request, timeout=_SECONDS)
        _must_be_ok(answer.results[0].status)

    async def delete_entry(self, entry_id: str) -> None:
        """Delete an entry as somebody else would."""
        request = entry_pb2.BatchDeleteEntryRequest(ids=[entry_id])
        answer = await self._entries.BatchDeleteEntry(request, timeout=_SECONDS)
        _must_be_ok(answer.results[0].status)

    async def put_bundle(self, bundle: Bundle) -> None:
        """Let the SPIRE server know another trust domain."""
        request = bundle_pb2.BatchSetFederatedBundleRequest(bundle=[bundle])
        answer = await self._bundles.BatchSetFederatedBundle(request, timeout=_SECONDS)
        _must_be_ok(answer.results[0].status)


def _must_be_ok(status: Status) -> None:
    if status.code:
        raise DemoFailed(f"the SPIRE server refuses it: {status.message}")


async def _play(plane: ControlPlane, spire: RealServer, folder: Path, *, once: bool) -> None:
    async with RealWorld.serve(plane, spire) as world:
        await play_in(world, folder, once=once)


def _on_real_servers(*, once: bool) -> int:
    needed = (tool_build.CONTROL_PLANE, tool_build.SPIRE)
    missing = [tools.title for tools in needed if tool_build.installed(tools) is None]
    if missing:
        print(f"not built yet: {' and '.join(missing)}: make tools", file=sys.stderr)
        return 1
    print("starting etcd, kube-apiserver, kube-controller-manager and spire-server", flush=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="spire-registrar-") as name,
            ControlPlane() as plane,
            RealServer() as spire,
        ):
            folder = Path(name)
            code = play_to_its_end(_play(plane, spire, folder, once=once))
            log = folder / LOG
            if code and log.exists():
                print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
            return code
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _on_a_node(*, once: bool, install: bool) -> int:
    # A plain "kill" ends the node as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        node_demo.play(once=once, install=install)
    except (ToolError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not {"--real", "--cluster"} & set(given):
        return command_line(["dev", *given])
    parser = argparse.ArgumentParser(prog="hack/demo.py", description="The demo on real servers.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--real", action="store_true", help="play on real servers")
    where.add_argument("--cluster", action="store_true", help="show a Pod's files on a real node")
    parser.add_argument("--once", action="store_true", help="check the result and end")
    parser.add_argument(
        "--install",
        action="store_true",
        help="with --cluster: install missing Debian packages (CI=true does)",
    )
    chosen = parser.parse_args(given)
    if chosen.cluster:
        return _on_a_node(once=chosen.once, install=chosen.install or may_install())
    return _on_real_servers(once=chosen.once)


if __name__ == "__main__":
    sys.exit(main())
