"""Every test here runs on the embedded API server and on the real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.setup import Setup, embedded_setup, real_setup


@pytest_asyncio.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
async def setup(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Setup]:
    """The servers; see Setup."""
    if request.param == "embedded":
        async with embedded_setup(tmp_path) as made:
            yield made
    else:
        plane = request.getfixturevalue("real_control_plane")
        async with real_setup(tmp_path, plane) as made:
            yield made


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Setup]:
    """The embedded servers only, for tests that inject faults into both."""
    async with embedded_setup(tmp_path) as made:
        yield made
