"""What alerts and dashboard ask for is there: metrics, labels, sections of the runbook."""

import json
import re
from pathlib import Path

import pytest

from hack.monitoring.alerts import GROUPS, Alert
from hack.monitoring.dashboard import ROWS, Query, render_dashboard
from registrar.telemetry.reference import render_metrics

ROOT = Path(__file__).resolve().parents[3]
ALERTS = [alert for alerts in GROUPS.values() for alert in alerts]
QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries]
OF_PYTHON = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
OF_PROMETHEUS = {"namespace", "job", "instance", "pod", "le"}
SERIES = re.compile(
    r"\b((?:spire_registrar|workqueue|controller_runtime|rest_client|leader|process)_\w+)"
)
GROUPED = re.compile(r"\b(?:by|on|ignoring) \(([^)]*)\)")


def known() -> dict[str, set[str]]:
    """The labels of each metric, as the reference has them."""
    found = {name: set[str]() for name in OF_PYTHON}
    for line in render_metrics().splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[1] in {"counter", "gauge", "histogram"}:
            found[cells[0]] = set(filter(None, cells[2].split(", ")))
    return found


KNOWN = known()


def metric(series: str) -> str:
    """The metric of a series: a histogram has three for each."""
    return series if series in KNOWN else re.sub(r"_(bucket|sum|count)$", "", series)


@pytest.mark.parametrize(
    "expression", [a.expression for a in ALERTS] + [q.expression for q in QUERIES]
)
def test_what_is_asked_for_exists(expression: str) -> None:
    metrics = {metric(series) for series in SERIES.findall(expression)}
    assert metrics
    assert metrics <= KNOWN.keys()
    labels = {
        label.strip() for group in GROUPED.findall(expression) for label in group.split(",")
    } | set(re.findall(r'(\w+)(?:=~|!=|=)"', expression))
    assert labels <= set.union(OF_PROMETHEUS, *(KNOWN[name] for name in metrics))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_a_section_of_the_runbook(alert: Alert) -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
    assert alert.anchor in anchors


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.expression[:60])
def test_a_legend_names_labels_that_the_series_has(query: Query) -> None:
    left = {
        label.strip()
        for group in re.findall(r"\bby \(([^)]*)\)", query.expression)
        for label in group.split(",")
    }
    assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= left


def test_panels_lie_beside_and_below_each_other() -> None:
    panels = json.loads(render_dashboard())["panels"]
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
