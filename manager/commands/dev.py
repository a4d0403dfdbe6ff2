"""``spire-registrar dev``: the main job on an embedded cluster, shown live.

The registrar runs as a process of its own, with a configuration file and a
kubeconfig, exactly as in a cluster; this one only plays the servers, applies
samples and watches.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from api.codec import JSONObject, load_yaml_documents
from devcluster.cluster import Cluster
from manager.demo.scenario import DemoFailed, Scenario
from manager.demo.view import View

_SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"
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


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "dev",
        help="run everything on an embedded cluster and show it live",
        description="Start an embedded Kubernetes API and an embedded SPIRE server on loopback, "
        "apply samples, run the registrar against them, and show what becomes what. Needs no "
        "cluster. Ctrl-C ends it and leaves nothing behind.",
    )
    parser.add_argument(
        "--once", action="store_true", help="check the result and end; exit code 1 if it is wrong"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port of the Kubernetes API (default: a free one)"
    )
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not _SAMPLES.is_dir():
        print("spire-registrar dev: the samples are missing: run it in a checkout", file=sys.stderr)
        return 1
    code = 0
    with tempfile.TemporaryDirectory(prefix="spire-registrar-") as folder:
        try:
            asyncio.run(_demo(Path(folder), once=arguments.once, port=arguments.port))
        except* DemoFailed as failures:
            code = 1
            print(f"FAILED: {failures.exceptions[0]}", file=sys.stderr)
            log = Path(folder) / "registrar.log"
            if log.exists():
                print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
        except* (KeyboardInterrupt, asyncio.CancelledError):
            print()
    return code


async def _demo(folder: Path, *, once: bool, port: int) -> None:
    """Everything, until the scenario is over or the user stops it."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    samples = await asyncio.to_thread(_samples)
    async with Cluster.serve(folder, port=port) as cluster, _registrar(folder, cluster):
        view = View(cluster)
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(run) for run in view.runs()]
            scenario = Scenario(cluster, view)
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
        for path in sorted(_SAMPLES.glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for document in load_yaml_documents(path.read_text(encoding="utf-8"))
        if isinstance(document, dict)
    ]
    return sorted(documents, key=lambda document: document["kind"] != "Namespace")


@contextlib.asynccontextmanager
async def _registrar(folder: Path, cluster: Cluster) -> AsyncIterator[None]:
    """The registrar as a process of its own, stopped at the end."""
    configuration = folder / "spire-k8s-registrar.conf"
    text = _CONFIGURATION.format(socket=cluster.spire_socket, log=folder / "registrar.log")
    await asyncio.to_thread(configuration.write_text, text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "manager",
        "run",
        "--config",
        str(configuration),
        "--kubeconfig",
        str(cluster.kubeconfig),
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
