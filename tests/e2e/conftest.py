"""What several tests of whole programs share: the folder of a node whose driver mounts."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster.mounts import unmount_below
from tests.support.csi import Node, need_mounts, serve_node


@pytest.fixture
async def node_folder() -> AsyncIterator[Path]:
    # First of all: a thread that is there already would not see the mounts.
    need_mounts()
    # Paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="csi-") as name:
        folder = Path(name)
        (folder / "agent/public").mkdir(parents=True)
        try:
            yield folder
        finally:
            await asyncio.to_thread(unmount_below, folder)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    # First of all: a thread that is there already would not see the mounts.
    need_mounts()
    with tempfile.TemporaryDirectory(prefix="csi-") as folder:
        async with serve_node(Path(folder)) as node:
            yield node
