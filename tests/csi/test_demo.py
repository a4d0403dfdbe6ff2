"""The demo plays as README says, with shorter lives."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from demo.files import play_files
from devcluster.mounts import mounts_below
from tests.support.csi import need_mounts


@pytest.mark.slow
async def test_handshakes_go_on_while_everything_rotates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    need_mounts()
    with tempfile.TemporaryDirectory(prefix="csi-") as name:
        folder = Path(name)
        await play_files(folder, once=True, ttl_seconds=4.0)
        assert await asyncio.to_thread(mounts_below, folder) == []
    shown = capsys.readouterr().out
    assert "7 certificates seen, 3 bundles" in shown
    assert shown.rstrip().endswith("none failed")
