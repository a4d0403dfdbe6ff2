"""Volumes that are remembered over a restart: files that somebody else may have written."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from registrar.csi.records import Records
from registrar.csi.volume import PodInfo, Volume


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "records", kubelet_dir=tmp_path / "kubelet")


def volume(tmp_path: Path, name: str = "web", **attributes: str) -> Volume:
    uid = f"uid-{name}"
    target = tmp_path / "kubelet" / "pods" / uid / "volumes" / "certs" / "mount"
    return Volume(f"csi-{name}", str(target), PodInfo("shop", name, uid, "sa"), attributes, 2000)


def file_of(tmp_path: Path) -> Path:
    return next((tmp_path / "records").glob("*.json"))


def test_volumes_come_back_as_they_were_until_they_are_removed(
    records: Records, tmp_path: Path
) -> None:
    one, two = volume(tmp_path), volume(tmp_path, "db", certificateFile="cert.pem")
    assert records.load() == []
    for each in (one, two, one):
        records.save(each)
    assert sorted(records.load(), key=lambda found: found.id) == [two, one]
    records.remove(one.id)
    records.remove(one.id)
    assert records.load() == [two]


def test_nobody_else_can_read_them(records: Records, tmp_path: Path) -> None:
    records.save(volume(tmp_path))
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "records").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("volume_id", ["../../etc/passwd", "a/b", "x" * 256])
def test_an_id_is_never_a_path(records: Records, tmp_path: Path, volume_id: str) -> None:
    hostile = msgspec.structs.replace(volume(tmp_path), id=volume_id)
    records.save(hostile)
    assert [path.is_file() for path in (tmp_path / "records").iterdir()] == [True]
    assert records.load() == [hostile]
    records.remove(volume_id)
    assert list((tmp_path / "records").iterdir()) == []


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _another_pod(path: Path) -> None:
    path.write_text(path.read_text().replace('"uid": "uid-web"', '"uid": "uid-db"'))


def _another_name(path: Path) -> None:
    path.rename(path.with_name("0" * 64 + ".json"))


def _too_large(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" " * 2**20)


def _link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_suffix(".kept")))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [_cut_off, _another_pod, _another_name, _too_large, _link, _pipe])
def test_a_file_that_cannot_be_trusted_costs_only_itself(
    records: Records, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    records.save(volume(tmp_path))
    spoil(file_of(tmp_path))
    kept = volume(tmp_path, "db")
    records.save(kept)
    assert records.load() == [kept]


def test_what_a_crash_left_behind_is_no_volume(records: Records, tmp_path: Path) -> None:
    records.save(volume(tmp_path))
    left = file_of(tmp_path).with_suffix(".tmp")
    left.write_text("half")
    assert records.load() == [volume(tmp_path)]
    assert not left.exists()
