"""From another registrar to this one and back, on servers: no entry is missing at any moment."""

from pathlib import Path

import pytest

from tests.support.migration import (
    MANAGER,
    PEERS,
    WORKLOAD,
    Run,
    installed,
    namespace_of,
    there_and_back,
)
from tests.support.setup import Setup

pytestmark = pytest.mark.may_block


@pytest.fixture(autouse=True)
def own_namespace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    callspec = getattr(request.node, "callspec", None)
    peer = MANAGER if callspec is None else callspec.params.get("peer", MANAGER)
    monkeypatch.setenv("MY_POD_NAMESPACE", namespace_of(peer))


@pytest.fixture
def run(embedded: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(embedded, tmp_path, capsys)


@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_is_replaced_and_put_back(embedded: Setup, run: Run, peer: str) -> None:
    await there_and_back(run, await installed(embedded, peer))


@pytest.mark.real("control plane", "spire")
@pytest.mark.slow
@pytest.mark.parametrize("peer", [MANAGER, WORKLOAD])
async def test_it_is_so_on_real_servers(
    real_servers: Setup, peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await installed(real_servers, peer)
    try:
        await there_and_back(Run(real_servers, tmp_path, capsys), world)
    finally:
        await world.remove()
