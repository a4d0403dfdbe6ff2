"""A folder of manifests is whole when every file was read well, twice the same."""

import os
from pathlib import Path

import pytest

from registrar.manifests.folder import Folder


@pytest.fixture
async def folder(tmp_path: Path) -> Folder:
    (tmp_path / "a.yaml").write_text("kind: A")
    (tmp_path / "b.yaml").write_text("kind: B")
    folder = Folder(tmp_path)
    await folder.look()
    await folder.look()
    assert folder.is_whole
    return folder


def kinds(folder: Folder) -> list[object]:
    return [doc["kind"] for documents in folder.documents.values() for doc in documents]


async def test_it_is_whole_one_look_after_the_last_change(folder: Folder, tmp_path: Path) -> None:
    assert not await folder.look()
    (tmp_path / "b.yaml").unlink()
    # Whoever believes only a whole folder must be told once more.
    seen = [(await folder.look(), folder.is_whole) for _ in range(2)]
    assert seen == [(True, False), (True, True)]
    assert kinds(folder) == ["A"]
    assert not await folder.look()


@pytest.mark.parametrize("text", ["", " \n", "kind: [", "- x", "\x00"])
async def test_a_file_that_is_wrong_keeps_what_it_said(
    folder: Folder, tmp_path: Path, text: str
) -> None:
    (tmp_path / "b.yaml").write_text(text)
    await folder.look()
    await folder.look()
    assert (folder.is_whole, kinds(folder)) == (False, ["A", "B"])
    (tmp_path / "b.yaml").write_text("# nothing, and that is meant")
    await folder.look()
    await folder.look()
    assert (folder.is_whole, kinds(folder)) == (True, ["A"])


async def test_a_link_to_nothing_is_no_file_that_is_gone(folder: Folder, tmp_path: Path) -> None:
    os.replace(tmp_path / "b.yaml", tmp_path / "aside")  # noqa: PTH105
    (tmp_path / "b.yaml").symlink_to("nowhere")
    await folder.look()
    await folder.look()
    assert (folder.is_whole, kinds(folder)) == (False, ["A", "B"])
    os.replace(tmp_path / "aside", tmp_path / "nowhere")  # noqa: PTH105
    await folder.look()
    await folder.look()
    assert (folder.is_whole, kinds(folder)) == (True, ["A", "B"])


async def test_a_folder_that_is_away_keeps_everything(folder: Folder, tmp_path: Path) -> None:
    os.rename(tmp_path, f"{tmp_path}-away")  # noqa: PTH104
    assert not await folder.look()
    assert not folder.is_whole
    assert folder.problem
    os.rename(f"{tmp_path}-away", tmp_path)  # noqa: PTH104
    await folder.look()
    await folder.look()
    assert (folder.is_whole, kinds(folder)) == (True, ["A", "B"])
