"""Plays the demo: the servers, the registrar as a process of its own, the story, the view."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from api.codec import JSONObject
from api.documents import load_yaml_documents
from demo.scenario import Scenario
from demo.view import View
from demo.world import World
from devcluster.cluster import Cluster

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / "samples"
SAMPLES = _INSTALLED if _INSTALLED.is_dir() else _HERE.parent / "config" / "samples"
"""Beside the demo in its wheel; in a checkout they stay where users look for them."""
LOG = "registrar.log"
_STOP_SECONDS = 5.0

_CONFIGURATION = """\
cluster            = "dev"
trust_domain       = "example.org"
server_socket_path = "{socket}"
metrics_addr       = "127.0.0.1:0"
pod_controller     = true
pod_label          = "spiffe"
drift_interval     = "2s"
log_path           = "{log}"
"""


async def play(folder: Path, *, once: bool, port: int) -> None:
    """Everything on embedded servers, until the scenario is over or the user stops it."""
    async with Cluster.serve(folder, port=port) as cluster:
        await play_in(cluster, folder, once=once)


async def play_in(world: World, folder: Path, *, once: bool) -> None:
    """The registrar and the scenario in a world that is there."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    samples = await asyncio.to_thread(_samples)
    async with _registrar(folder, world):
        view = View(world)
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(run) for run in view.runs()]
            scenario = Scenario(world, view)
            await scenario.begin(samples)
            if once:
                await scenario.play()
            else:
                view.say_how_to_use_it()
                await asyncio.Event().wait()
            for watch in watching:
                watch.cancel()


def _samples() -> list[JSONObject]:
    """The documents of config/samples, Namespaces first."""
    documents = [
        document
        for path in sorted(SAMPLES.glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for document in load_yaml_documents(path.read_text(encoding="utf-8"))
        if isinstance(document, dict)
    ]
    return sorted(documents, key=lambda document: document["kind"] != "Namespace")


@contextlib.asynccontextmanager
async def _registrar(folder: Path, world: World) -> AsyncIterator[None]:
    """The registrar as a process of its own, stopped at the end."""
    configuration = folder / "spire-k8s-registrar.conf"
    text = _CONFIGURATION.format(socket=world.spire_socket, log=folder / LOG)
    await asyncio.to_thread(configuration.write_text, text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "manager",
        "run",
        "--config",
        str(configuration),
        "--kubeconfig",
        str(world.kubeconfig),
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
