"""Real mounts, in a mount namespace of the tests' own."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.csi import Node, need_mounts, serve_node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    need_mounts()
    # Paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="csi-") as folder:
        async with serve_node(Path(folder)) as node:
            yield node
