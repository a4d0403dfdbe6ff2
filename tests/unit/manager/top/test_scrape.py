"""Metrics of a registrar, read by ``top``, and what is no such thing."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from manager.top.scrape import DEFAULT_URL, UnreadableError, read, url_of
from registrar.errors import InvalidField
from registrar.telemetry.metrics import ENTRY_STATES, Metrics


def text_of(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_the_metrics_of_a_registrar_are_all_there() -> None:
    metrics = Metrics()
    metrics.spire.entries("set", 7)
    metrics.controller("pod")
    metrics.spire.called("create", "OK", 0.5)
    metrics.spire.called("create", "INTERNAL", 1.5)
    metrics.spire.pod_to_entry(0.02)
    metrics.leader("a").leading(leads=True)
    found = read(text_of(metrics))
    assert set(found.entries) == set(ENTRY_STATES)
    assert found.entries["set"] == 7
    assert found.queues["pod"].depth == 0
    create = found.calls["create"]
    assert (create.number, create.seconds, create.errors) == (2, 2.0, {"INTERNAL": 1})
    assert found.latency[float("inf")] == 1
    assert found.latency[0.015] == 0
    assert found.started_at > 0
    assert found.leads is True


def test_a_process_that_elects_nobody_neither_leads_nor_stands_by() -> None:
    assert read(text_of(Metrics())).leads is None


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableError):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>hello</body></html>",
        "spire_registrar_entries 1\n",
        'workqueue_depth{controller="a"} 1\n',
        'spire_registrar_pod_to_entry_seconds_bucket{le="x"} 1\n',
        "# TYPE\n# TYPE a\na{",
    ],
)
def test_what_lacks_something_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEFAULT_URL, DEFAULT_URL),
        ("localhost:8080", DEFAULT_URL),
        ("http://[::1]:1/", "http://[::1]:1/metrics"),
        ("https://a.example/b/metrics?x=y#z", "https://a.example/b/metrics?x=y"),
    ],
)
def test_a_url_may_lack_what_is_always_the_same(text: str, expected: str) -> None:
    assert url_of(text) == expected


@pytest.mark.parametrize("text", ["", "ftp://a", "http://", "http://a:x", "http://a:99999", "[::1"])
def test_another_url_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField, match=r"--url.*write one such as"):
        url_of(text)
