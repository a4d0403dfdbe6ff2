"""`make cluster` told what it can't do: it says so, and touches nothing."""

import os
import sys
from pathlib import Path

import pytest

from hack.node.__main__ import main


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built on this machine, and no node is on it; we are root."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_a_first_start_builds_what_is_missing_and_does_not_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["start"]) == 1
    # What the preparation says first; nobody looked for what it builds.
    assert capsys.readouterr().err.startswith("a node needs root")


def test_a_folder_of_somebody_else_is_not_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "home" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    assert main(["stop", "--dir", str(precious.parent)]) == 1
    assert precious.read_text() == "years of work"
    assert f"{precious.parent} is no node's folder" in capsys.readouterr().err
    assert main(["stop", "--dir", str(precious)]) == 1
    assert precious.exists()


def test_a_second_stop_says_that_there_was_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["stop", "--dir", "none"]) == 0
    assert capsys.readouterr().out == f"no node was in {tmp_path / 'none'}\n"


@pytest.mark.parametrize("command", [["reboot"], ["kubectl", "--", "get", "pods"]])
def test_where_no_node_runs_a_command_for_one_says_so(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "none"
    assert main(["--dir", str(folder), *command]) == 1
    said = capsys.readouterr().err
    assert said == f"no node runs in {folder}; make cluster starts one\n"


def test_only_root_ends_a_node(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["stop"]) == 1
    assert capsys.readouterr().err.startswith("a node needs root")


def test_a_word_that_means_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["stop", "everything"])
    assert "stop takes no arguments: everything" in capsys.readouterr().err
