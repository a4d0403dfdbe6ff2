"""What README and docs name exists."""

import re
from pathlib import Path

import pytest

from registrar.telemetry.csimetrics import CSIMetrics
from registrar.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_empty_line_cuts_a_table(page: Path) -> None:
    lines = [line.strip() for line in page.read_text(encoding="utf-8").splitlines()]
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if line.startswith("|") and not before.startswith("|"):
            assert after.startswith("|--"), line


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
        assert set(named) <= targets, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_folder_that_is_applied_can_be(page: Path) -> None:
    named = re.findall(r"kubectl apply -k (config/[\w/-]+)", page.read_text(encoding="utf-8"))
    for folder in named:
        file = ROOT / folder / "kustomization.yaml"
        assert "kind: Kustomization" in file.read_text(encoding="utf-8"), folder


def test_every_metric_that_is_named_exists() -> None:
    metrics = Metrics()
    metrics.controller("spireentry")
    metrics.leader("lease")
    metrics.reflector("pods")
    metrics.bundles.known("partner.example")
    metrics.bundles.holds("partner.example", x509=1, jwt=1)
    CSIMetrics(metrics.registry, metrics.on_refresh)
    known = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:spire_registrar|workqueue|leader_election)_[a-z_]+", text))
    assert named
    assert named <= known


def test_every_reason_in_the_runbook_is_one_that_the_code_gives() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^\| `([A-Za-z]+)`", text, re.MULTILINE)
    sources = [*(ROOT / "registrar").rglob("*.py"), *(ROOT / "controllers").glob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert reasons
    for reason in reasons:
        assert f'"{reason}"' in code, reason
