"""What is published is the same bytes wherever, whenever and by whomever it is built."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from hack import dist
from hack.node.product_image import copied

pytestmark = pytest.mark.slow

EPOCH = 1_700_000_000


def checkout(folder: Path, *, mode: int, mtime: int) -> Path:
    """What the Dockerfile copies, with that mode and time of its files."""
    for path in copied(dist.CHECKOUT):
        target = folder / path.relative_to(dist.CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(mode)
        os.utime(target, (mtime, mtime))
    return folder


def test_the_wheel_is_the_same_bytes_in_any_folder_at_any_time_with_any_umask(
    tmp_path: Path,
) -> None:
    one = checkout(tmp_path / "one", mode=0o600, mtime=1_600_000_000)
    other = checkout(tmp_path / "elsewhere/other", mode=0o664, mtime=1_650_000_000)
    before = os.umask(0o077)
    try:
        first = dist.build_wheel(one, tmp_path / "out-1", EPOCH)
    finally:
        os.umask(before)
    second = dist.build_wheel(other, tmp_path / "out-2", EPOCH)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        assert {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()} <= {0o644, 0o664}


def commit(folder: Path, seconds: int) -> None:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    environment = os.environ | identity | {"GIT_COMMITTER_DATE": f"{seconds} +0000"}
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=x"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True, env=environment)


def test_its_time_is_that_of_the_last_commit(tmp_path: Path) -> None:
    assert dist.source_date_epoch(tmp_path, {}) == dist.EARLIEST
    commit(tmp_path, EPOCH)
    assert dist.source_date_epoch(tmp_path, {}) == EPOCH
    assert dist.source_date_epoch(tmp_path, {dist.NAME: str(EPOCH + 1)}) == EPOCH + 1


def test_a_wheel_names_no_year_before_1980(tmp_path: Path) -> None:
    assert dist.source_date_epoch(tmp_path, {dist.NAME: "0"}) == dist.EARLIEST
