"""The archives of images that are kept in the cache."""

import os
from pathlib import Path

import pytest

from hack.compilers import ToolError
from hack.node import archives
from hack.node.archives import Recipe


def a_recipe(digest: str, content: str = "image") -> Recipe:
    return Recipe("busybox", digest.ljust(64, "0"), lambda path: _write(path, content))


def _write(path: Path, content: str) -> None:
    path.write_text(content)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_writes_an_archive_once(tmp_path: Path) -> None:
    first = archives.kept(tmp_path, a_recipe("a", "first"), print)
    second = archives.kept(tmp_path, a_recipe("a", "second"), print)
    assert first == second
    assert second.read_text() == "first"


def test_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half of it")
        raise ToolError("no room")

    with pytest.raises(ToolError, match="no room"):
        archives.kept(tmp_path, Recipe("busybox", "a" * 64, fail), print)
    assert names(tmp_path) == set()


def test_keeps_those_that_were_asked_for_last(tmp_path: Path) -> None:
    paths = [archives.kept(tmp_path, a_recipe(digest), print) for digest in "abc"]
    for age, path in enumerate(paths):
        os.utime(path, (age, age))
    (tmp_path / f"busybox-more-{'0' * 16}.tar").touch()  # another image's
    archives.kept(tmp_path, a_recipe("a"), print)
    archives.kept(tmp_path, a_recipe("d"), print)
    kept = {f"busybox-{digest.ljust(16, '0')}.tar" for digest in "acd"}
    assert names(tmp_path) == kept | {f"busybox-more-{'0' * 16}.tar"}


def test_clears_away_what_a_killed_builder_left(tmp_path: Path) -> None:
    left = tmp_path / "images" / ".building-x"
    left.mkdir(parents=True)
    (left / "image.tar").touch()
    with archives.locked(tmp_path / "images", print):
        assert not left.exists()
