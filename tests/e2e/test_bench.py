"""The benchmark itself works; how fast things are is for `make bench` to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


MODES = ("--mode", "layered", "--mode", "manager", "--mode", "commands", "--mode", "csi")
AGAINST = f"{sys.executable} -m manager run --config {{config}}"


def run(target: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the benchmark as ``make bench`` does."""
    return subprocess.run(
        [sys.executable, str(ROOT / "hack" / "bench.py"), "--quick", "--json", target, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=570,
    )


def test_a_burst_is_measured_with_and_without_analyze_beside_another_controller(
    tmp_path: Path,
) -> None:
    target = tmp_path / "figures.json"
    finished = run(target, "--mode", "burst", "--spire", "sqlite", "--against", AGAINST)
    assert finished.returncode == 0, finished.stderr
    document = json.loads(target.read_text(encoding="utf-8"))
    assert [curve["title"] for curve in document["creates"]] == [
        "SQLite",
        "SQLite, a selector in common",
        "SQLite after ANALYZE",
        "SQLite after ANALYZE, a selector in common",
    ]
    bursts = [curve["title"] for curve in document["bursts"]]
    assert len(bursts) == 6
    assert sum("layered" in title for title in bursts) == 2
    assert all(curve["points"][-1][1] == 100 for curve in document["bursts"])
    assert all(figure["samples"] >= 1 and figure["values"] for figure in document["figures"])


@pytest.mark.parametrize("command", ["", "no-such-program --config {config}"])
def test_another_controller_that_is_not_there_is_said_at_once(tmp_path: Path, command: str) -> None:
    finished = run(tmp_path / "figures.json", "--mode", "burst", "--against", command)
    assert finished.returncode == 2
    assert "--against: no such program" in finished.stderr


def test_a_quick_run_has_every_figure_and_finds_nothing_wrong(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    finished = run(target, *MODES)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(target.read_text(encoding="utf-8"))["figures"]
    assert len(figures) == 38, [figure["name"] for figure in figures]
    assert all(figure["samples"] >= 1 and figure["values"] for figure in figures)
