"""The soak's disk that can be full."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hack.soak.disk import Disk

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import errno, pathlib, sys
from hack.soak.disk import Disk
folder = pathlib.Path(sys.argv[1]) / "disk"
disk = Disk(folder)
with disk.mounted():
    assert disk.is_real
    kept = folder / "kept"
    kept.write_text("before")
    disk.fill()
    try:
        with (folder / "log").open("ab", buffering=0) as log:
            log.write(b"x" * 10000)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    else:
        raise SystemExit("the disk is not full")
    disk.empty()
    (folder / "log").write_bytes(b"x" * 10000)
assert kept.read_text() == "before"
assert (folder / "log").stat().st_size == 10000
"""


def test_is_full_until_it_is_not_and_keeps_what_lay_on_it(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    may_mount = f"mount -t tmpfs none {tmp_path}"
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root may mount")
    if subprocess.run([unshare, "--mount", "sh", "-c", may_mount], check=False).returncode:
        pytest.skip("nothing may be mounted here")
    command = [unshare, "--mount", "--", sys.executable, "-c", PROGRAM, str(tmp_path)]
    environment = {**os.environ, "SOAK_HAS_OWN_MOUNTS": "yes", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True, timeout=60)


def test_where_nothing_is_mounted_nothing_is_filled(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    with disk.mounted():
        assert not disk.is_real
        with pytest.raises(RuntimeError, match="own disk"):
            disk.fill()
