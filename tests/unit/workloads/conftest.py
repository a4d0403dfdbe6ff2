from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.workloads import Agents, two_trust_domains


@pytest.fixture
async def agents(tmp_path: Path) -> AsyncIterator[Agents]:
    async with two_trust_domains(tmp_path) as found:
        yield found
