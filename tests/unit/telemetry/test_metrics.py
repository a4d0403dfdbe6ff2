"""The metrics: names and labels that dashboards know, all there from the start."""

import pytest
from prometheus_client.exposition import generate_latest

from registrar.telemetry.metrics import Metrics


def value(metrics: Metrics, series: str, /, **labels: str) -> float:
    metrics.refresh()
    found = metrics.registry.get_sample_value(series, labels)
    assert found is not None, (series, labels)
    return found


@pytest.mark.parametrize(
    ("series", "labels"),
    [
        ("controller_runtime_reconcile_total", {"result": "success"}),
        ("controller_runtime_reconcile_total", {"result": "error"}),
        ("controller_runtime_reconcile_total", {"result": "requeue"}),
        ("controller_runtime_reconcile_total", {"result": "requeue_after"}),
        ("controller_runtime_reconcile_errors_total", {}),
        ("controller_runtime_terminal_reconcile_errors_total", {}),
        ("controller_runtime_reconcile_panics_total", {}),
        ("controller_runtime_reconcile_timeouts_total", {}),
        ("controller_runtime_reconcile_time_seconds_count", {}),
        ("controller_runtime_max_concurrent_reconciles", {}),
        ("controller_runtime_active_workers", {}),
        ("workqueue_depth", {"name": "pod", "priority": ""}),
        ("workqueue_adds_total", {"name": "pod"}),
        ("workqueue_retries_total", {"name": "pod"}),
        ("workqueue_queue_duration_seconds_count", {"name": "pod"}),
        ("workqueue_work_duration_seconds_count", {"name": "pod"}),
        ("workqueue_unfinished_work_seconds", {"name": "pod"}),
        ("workqueue_longest_running_processor_seconds", {"name": "pod"}),
    ],
)
def test_a_controllers_series_are_there_before_its_first_reconcile(
    series: str, labels: dict[str, str]
) -> None:
    metrics = Metrics()
    metrics.controller("pod")
    assert value(metrics, series, controller="pod", **labels) == 0


@pytest.mark.parametrize("state", ["desired", "set", "present", "failed", "withheld", "foreign"])
def test_entries_of_every_state_are_counted_from_the_start(state: str) -> None:
    assert value(Metrics(), "spire_registrar_entries", state=state) == 0


@pytest.mark.parametrize("kind", ["changed", "vanished", "orphan"])
def test_repairs_of_every_kind_are_counted_from_the_start(kind: str) -> None:
    assert value(Metrics(), "spire_registrar_drift_repaired_total", kind=kind) == 0


def test_the_work_under_way_is_measured_when_asked_for() -> None:
    metrics = Metrics()
    metrics.controller("pod").queue.observe_running(lambda: [1.0, 2.5])
    labels = {"controller": "pod", "name": "pod"}
    assert value(metrics, "workqueue_unfinished_work_seconds", **labels) == 3.5
    assert value(metrics, "workqueue_longest_running_processor_seconds", **labels) == 2.5


def test_a_timeout_is_an_error_and_counted_apart() -> None:
    metrics = Metrics()
    observer = metrics.controller("pod")
    observer.started()
    observer.finished("timeout", 1.0)
    total = "controller_runtime_reconcile_total"
    assert value(metrics, total, controller="pod", result="error") == 1
    assert value(metrics, "controller_runtime_reconcile_errors_total", controller="pod") == 1
    assert value(metrics, "controller_runtime_reconcile_timeouts_total", controller="pod") == 1
    assert value(metrics, "controller_runtime_active_workers", controller="pod") == 0


def test_calls_to_the_api_server_carry_the_names_of_client_go() -> None:
    metrics = Metrics()
    metrics.called("GET", "10.0.0.1:443", "200", 0.01)
    labels = {"code": "200", "method": "GET", "host": "10.0.0.1:443"}
    assert value(metrics, "rest_client_requests_total", **labels) == 1


def test_leadership_is_one_or_nothing() -> None:
    metrics = Metrics()
    observer = metrics.leader("spire-registrar")
    assert value(metrics, "leader_election_master_status", name="spire-registrar") == 0
    observer.leading(leads=True)
    assert value(metrics, "leader_election_master_status", name="spire-registrar") == 1


def test_a_reflector_is_in_one_state_at_a_time() -> None:
    metrics = Metrics()
    observer = metrics.reflector("pods")
    observer.state("watching")
    observer.state("broken")
    series = "spire_registrar_reflector_state"
    states = ["listing", "watching", "missing", "broken"]
    assert [value(metrics, series, kind="pods", state=s) for s in states] == [0, 0, 0, 1]


def test_two_of_them_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.spire.drift_repaired("changed")
    assert value(second, "spire_registrar_drift_repaired_total", kind="changed") == 0


def test_a_scrape_has_the_process_and_no_creation_times() -> None:
    text = generate_latest(Metrics().registry).decode()
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text
