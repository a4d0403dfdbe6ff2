"""The command ``migrate`` in tests, and a stand-in for the node that runs a peer's workload."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from api.codec import JSONObject
from devcluster.client import NotFound
from manager import cli
from manager.commands.migrating import migrate
from registrar.settings.load import interpret
from tests.support.peers import OURS, PeerWorld, image_of, raw
from tests.support.setup import Setup


@contextlib.asynccontextmanager
async def a_node(world: PeerWorld) -> AsyncIterator["StandIn"]:
    """Play controller and kubelet of the workload until the block ends."""
    node = StandIn(world)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(node.run())
        try:
            yield node
        finally:
            running.cancel()


async def _nothing() -> None:
    """Nothing."""


class StandIn:
    """Runs what the workload says: ours as a real process, of the peer only its Pod is there.

    A container of another image is started only when the one before has ended, as in a Pod.
    """

    def __init__(self, world: PeerWorld) -> None:
        self._world = world
        self._stack = contextlib.AsyncExitStack()
        self.ran: list[str] = []
        """The images that ran, one after the other; the empty text is none."""
        self.fails = False
        """Whether nothing comes up any more."""
        self.on_end: Callable[[], object] = lambda: None
        """What happens on the way when the peer has ended, and before anything else begins."""
        self.before_ours: Callable[[], Awaitable[None]] = _nothing

    async def run(self) -> None:
        """Play until cancelled."""
        try:
            while True:
                with contextlib.suppress(NotFound):
                    await self._look()
                await asyncio.sleep(0.05)
        finally:
            await self._stack.aclose()

    async def _look(self) -> None:
        world = self._world
        workload = await world.setup.client.get(world.path)
        spec, metadata = workload["spec"], workload["metadata"]
        assert isinstance(spec, dict)
        assert isinstance(metadata, dict)
        replicas = spec.get("replicas", 1)
        selector = _node_selector(workload)
        image = "" if replicas == 0 or selector else image_of(workload)
        if not self.ran or self.ran[-1] != image:
            await self._end()
            if image == "":
                await self.before_ours()
                self.on_end()
            if self.fails and image:
                return
            self.ran.append(image)
            await self._begin(image)
        number = 0 if selector else replicas
        status: JSONObject = {
            "observedGeneration": metadata["generation"],
            "replicas": number,
            "updatedReplicas": number,
            "readyReplicas": number,
            "availableReplicas": number,
        }
        if world.kind == "StatefulSet":
            status |= {"currentReplicas": number, "currentRevision": "1", "updateRevision": "1"}
        if world.kind == "DaemonSet":
            status = {
                "observedGeneration": metadata["generation"],
                "currentNumberScheduled": number,
                "desiredNumberScheduled": number,
                "updatedNumberScheduled": number,
                "numberMisscheduled": 0,
                "numberReady": number,
            }
        await world.setup.client.merge(f"{world.path}/status", {"status": status})

    async def _begin(self, image: str) -> None:
        world = self._world
        if not image:
            return
        await world.setup.client.create(
            f"/api/v1/namespaces/{world.namespace}/pods",
            {
                **raw("v1", "Pod", f"{world.name}-0", world.namespace),
                "metadata": {"name": f"{world.name}-0", "labels": {"app": world.name}},
                "spec": {"containers": [{"name": "peer", "image": image}]},
            },
        )
        if image == OURS:
            settings = interpret(
                await world.text(),
                path=Path(world.file_name),
                environment={"ENABLE_WEBHOOKS": "false"},
            )
            own = replace(settings, kubeconfig=world.setup.settings.kubeconfig)
            changes = {name: getattr(own, name) for name in own.__slots__}
            await self._stack.enter_async_context(world.setup.starting(**changes))

    async def _end(self) -> None:
        world = self._world
        await self._stack.aclose()
        path = f"/api/v1/namespaces/{world.namespace}/pods/{world.name}-0"
        with contextlib.suppress(NotFound):
            await world.setup.client.delete(f"{path}?gracePeriodSeconds=0")


def _node_selector(workload: JSONObject) -> bool:
    """Whether it selects Nodes that are not there."""
    return "spire-registrar.spiffe.io/stopped" in str(workload["spec"])


class Run:
    """The command in this process."""

    def __init__(self, setup: Setup, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "out"
        self._setup = setup
        self._capsys = capsys
        self.out = self.err = ""

    async def __call__(self, peer: str, *flags: str) -> int:
        words = ["migrate", peer, "--kubeconfig", str(self._setup.settings.kubeconfig)]
        words += ["--output-dir", str(self.folder), "--timeout", "60s", *flags]
        self._capsys.readouterr()
        arguments = cli.parser().parse_args(words)
        code = await migrate(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    async def document(self, peer: str, *flags: str) -> tuple[int, dict[str, object]]:
        code = await self(peer, "-o", "json", *flags)
        return code, json.loads(self.out)


async def there_and_back(run: Run, world: PeerWorld, *, ran: list[str] | None = None) -> None:
    """Migrate, and undo it: no entry that was there first is missing at any moment."""
    setup = world.setup
    before = {entry.id for entry in setup.all_entries()}
    assert before
    containers = await world.containers_there()
    async with a_node(world) as node:
        code, document = await run.document(world.peer, "--apply", "--yes", "--image", OURS)
        assert code == 0, (run.out, run.err)
        check_seen(document, len(before))
        assert await world.image_there() == OURS
        assert await world.containers_there() == containers
        assert before <= {entry.id for entry in setup.all_entries()}
        code, document = await run.document(world.peer, "--undo", "--yes")
        assert code == 0, (run.out, run.err)
        check_seen(document, len(setup.all_entries()))
        assert await world.image_there() == world.image
        assert await world.containers_there() == containers
        assert node.ran == (ran or [world.image, "", OURS, "", world.image])
    assert before <= {entry.id for entry in setup.all_entries()}


def check_seen(document: dict[str, object], entries: int) -> None:
    """So many entries at least were watched, and none was missing.

    A server that tests share may hold others besides.
    """
    watched, missing = seen(document)
    assert isinstance(watched, int)
    assert (watched >= entries, missing) == (True, 0), document["watch"]


def seen(document: dict[str, object]) -> tuple[object, object]:
    """How many entries were watched, and in how many moments one was missing."""
    watch = document["watch"]
    assert isinstance(watch, dict)
    return watch["entries"], watch["missingMoments"]
