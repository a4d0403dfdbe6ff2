"""The benchmark itself works; how fast things are is for `make bench` to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]


def test_a_quick_run_has_every_figure_and_finds_nothing_wrong(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    finished = subprocess.run(
        [sys.executable, str(ROOT / "hack" / "bench.py"), "--quick", "--json", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(target.read_text(encoding="utf-8"))["figures"]
    assert len(figures) == 33, [figure["name"] for figure in figures]
    assert all(figure["samples"] >= 1 and figure["values"] for figure in figures)
