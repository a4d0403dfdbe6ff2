"""Real mounts, in a mount namespace of the tests' own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.csi import Node, need_mounts, serve_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    need_mounts()
    async with serve_node(tmp_path) as node:
        yield node
