"""Every test here runs on the embedded API server and on the real one.

Those marked `story` run a third time, with a real SPIRE server beside the real API server.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hack.control_plane import ControlPlane
from hack.spire import RealServer
from tests.support.controllermanager import Manager
from tests.support.federationstory import Story
from tests.support.setup import Setup, embedded_setup, real_setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Say on which servers a test runs."""
    if "setup" not in metafunc.fixturenames:
        return
    servers = ["embedded", pytest.param("real", marks=pytest.mark.real)]
    if metafunc.definition.get_closest_marker("story") is not None:
        both = (pytest.mark.real("control plane", "spire"), pytest.mark.slow)
        servers.append(pytest.param("real-spire", marks=both))
    metafunc.parametrize("setup", servers, indirect=True)


@pytest_asyncio.fixture
async def setup(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Setup]:
    """The servers; see Setup."""
    if request.param == "embedded":
        async with embedded_setup(tmp_path) as made:
            yield made
        return
    plane = request.getfixturevalue("real_control_plane")
    spire = None
    if request.param == "real-spire":
        spire = request.getfixturevalue("real_spire_server")
    async with real_setup(tmp_path, plane, spire) as made:
        yield made


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Setup]:
    """The embedded servers only, for tests that inject faults into both."""
    async with embedded_setup(tmp_path) as made:
        yield made


@pytest.fixture
def manager(embedded: Setup) -> Manager:
    """The embedded servers, and the words of the controller manager's mode."""
    return Manager(embedded)


@pytest.fixture
def in_spire(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registrar of this process takes "spire" for its own namespace."""
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")


@pytest_asyncio.fixture
async def real_servers(
    tmp_path: Path, real_control_plane: ControlPlane, real_spire_server: RealServer
) -> AsyncIterator[Setup]:
    """A real API server and a real SPIRE server, for tests that have run on embedded ones."""
    async with real_setup(tmp_path, real_control_plane, real_spire_server) as made:
        yield made


@pytest_asyncio.fixture
async def story(setup: Setup) -> Story:
    """Federation on the servers, of which nothing is recorded yet."""
    await setup.forget_federation()
    return Story(setup)


@pytest_asyncio.fixture
async def alone(embedded: Setup) -> Story:
    """With embedded servers, for tests that look at calls or change what is installed."""
    return Story(embedded)
