"""From another registrar to this one and back, on servers: no entry is missing at any moment."""

import json
from pathlib import Path

import pytest

from manager import cli
from manager.commands.migrating import migrate
from tests.support.controllermanager import Manager
from tests.support.migration import MANAGER, NAMESPACE, OURS, PeerWorld, an_entry, manager_world
from tests.support.setup import Setup

pytestmark = pytest.mark.may_block


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


@pytest.fixture(autouse=True)
def own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", NAMESPACE)


@pytest.fixture
def run(embedded: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(embedded, tmp_path, capsys)


async def managers_entries(setup: Setup) -> list[str]:
    """Two Pods with the entries that the controller manager made, and somebody else's entry."""
    manager = Manager(setup)
    node = await manager.node()
    await manager.template("all", spiffeIDTemplate="spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}")
    ids = []
    for name in ("a", "b"):
        uid = await manager.pod(name)
        agent = f"/spire/agent/k8s_psat/test/{node}"
        entry = an_entry(f"peer-{name}", f"/{name}", agent, f"k8s:pod-uid:{uid}")
        ids.append(setup.spire_server.put(entry).id if setup.embedded is None else entry.id)
        if setup.embedded is not None:
            setup.spire.state.put(entry)
    return ids


async def there_and_back(run: Run, world: PeerWorld, peer: str) -> None:
    setup = world.setup
    before = {entry.id for entry in setup.all_entries()}
    async with world.node() as node:
        code, document = await run.document(peer, "--apply", "--yes", "--image", OURS)
        assert code == 0, (run.out, run.err)
        watch = document["watch"]
        assert isinstance(watch, dict)
        assert (watch["entries"], watch["missingMoments"]) == (len(before), 0)
        assert await world.image_there() == OURS
        assert before <= {entry.id for entry in setup.all_entries()}
        code, document = await run.document(peer, "--undo", "--yes")
        assert code == 0, (run.out, run.err)
        assert await world.image_there() == world.image
        assert node.ran == [world.image, "", OURS, "", world.image]
    assert before <= {entry.id for entry in setup.all_entries()}


async def test_the_controller_manager_is_replaced_and_put_back(embedded: Setup, run: Run) -> None:
    await managers_entries(embedded)
    world = manager_world(embedded)
    await world.install()
    await there_and_back(run, world, MANAGER)
