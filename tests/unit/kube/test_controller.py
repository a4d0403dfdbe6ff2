"""The controller: what becomes of each outcome and each error."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from registrar.errors import Retry, Terminal, Waiting
from registrar.kube.controller import STALLED_SECONDS, Again, Controller, Done, Result
from registrar.telemetry.logging import log_context
from registrar.telemetry.metrics import Metrics
from tests.support.waiting import until

Reconcile = Callable[[str], Awaitable[Result]]


@asynccontextmanager
async def running(
    reconcile: Reconcile,
    *,
    concurrency: int = 10,
    timeout_seconds: float = 5.0,
    metrics: Metrics | None = None,
    yields_to: Callable[[], int] = lambda: 0,
) -> AsyncIterator[Controller[str]]:
    controller = Controller(
        name="test",
        reconcile=reconcile,
        concurrency=concurrency,
        timeout_seconds=timeout_seconds,
        observer=(metrics or Metrics()).controller("test"),
        yields_to=yields_to,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(controller.run())
        yield controller
        task.cancel()


def sample(metrics: Metrics, series: str, /, **labels: str) -> float:
    metrics.refresh()
    value = metrics.registry.get_sample_value(series, labels)
    assert value is not None, (series, labels)
    return value


async def test_every_key_is_reconciled() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        return Done()

    async with running(reconcile) as controller:
        for key in ("a", "b", "a", "c"):
            controller.queue.add(key)
        await controller.settled()
    assert sorted(seen) == ["a", "b", "c"]


async def test_no_more_run_at_once_than_allowed() -> None:
    active, most = 0, 0

    async def reconcile(_: str) -> Result:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0)
        active -= 1
        return Done()

    async with running(reconcile, concurrency=3) as controller:
        for number in range(50):
            controller.queue.add(str(number))
        await controller.settled()
    assert most == 3


async def test_a_key_that_changes_while_being_reconciled_runs_again() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        if len(seen) == 1:
            controller.queue.add(key)
        return Done()

    async with running(reconcile) as controller:
        controller.queue.add("a")
        await controller.settled()
    assert seen == ["a", "a"]


async def test_again_comes_back_without_counting_as_a_failure() -> None:
    seen: list[str] = []
    metrics = Metrics()

    async def reconcile(key: str) -> Result:
        seen.append(key)
        return Again(0.001, "soon") if len(seen) < 3 else Done()

    async with running(reconcile, metrics=metrics) as controller:
        controller.queue.add("a")
        await until(lambda: len(seen) == 3)
        await controller.settled()
        assert controller.queue.failures("a") == 0
    total = "controller_runtime_reconcile_total"
    assert sample(metrics, total, controller="test", result="requeue_after") == 2
    assert sample(metrics, total, controller="test", result="success") == 1


@pytest.mark.parametrize("error", [Retry("Busy", "later"), KeyError("bug")], ids=["retry", "bug"])
async def test_a_failure_is_tried_again_until_it_works(error: Exception) -> None:
    seen: list[str] = []
    metrics = Metrics()

    async def reconcile(key: str) -> Result:
        seen.append(key)
        if len(seen) < 3:
            raise error
        return Done()

    async with running(reconcile, metrics=metrics) as controller:
        controller.queue.add("a")
        await until(lambda: len(seen) == 3)
        await controller.settled()
        assert controller.queue.failures("a") == 0
    assert sample(metrics, "workqueue_retries_total", name="test", controller="test") == 2
    errors_total = "controller_runtime_reconcile_errors_total"
    assert sample(metrics, errors_total, controller="test") == 2


async def test_a_terminal_error_waits_for_a_change_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()

    async def reconcile(_: str) -> Result:
        raise Terminal("Invalid", "no good")

    async with running(reconcile, metrics=metrics) as controller:
        for _ in range(2):
            controller.queue.add("a")
            await controller.settled()
        assert controller.queue.delayed == 0
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1
    terminal = "controller_runtime_terminal_reconcile_errors_total"
    assert sample(metrics, terminal, controller="test") == 2


async def test_a_reconcile_that_hangs_is_cut_off_and_counted_apart() -> None:
    metrics = Metrics()

    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        seen.append(key)
        if len(seen) == 1:
            await asyncio.Event().wait()
        return Done()

    async with running(reconcile, timeout_seconds=0.01, metrics=metrics) as c:
        c.queue.add("a")
        await until(lambda: len(seen) == 2)
    assert sample(metrics, "controller_runtime_reconcile_timeouts_total", controller="test") == 1


async def test_one_key_that_fails_holds_up_no_other() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Result:
        if key == "bad":
            raise Retry("Busy", "later")
        seen.append(key)
        return Done()

    async with running(reconcile, concurrency=1) as controller:
        controller.queue.add("bad")
        controller.queue.add("good")
        await until(lambda: seen == ["good"])


async def test_to_wait_for_what_is_being_read_is_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts = 0

    async def reconcile(_: str) -> Result:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise Waiting("ServicesUnknown", "services are being read")
        return Done()

    async with running(reconcile) as controller:
        controller.queue.add("a")
        await until(lambda: attempts == 3)
    assert [r for r in caplog.records if r.levelno >= logging.INFO] == []


async def test_a_storm_of_equal_failures_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def reconcile(_: str) -> Result:
        raise Retry("Busy", "later")

    async with running(reconcile) as controller:
        for number in range(100):
            controller.queue.add(str(number))
        await controller.settled()
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


async def test_each_reconcile_has_an_id_of_its_own() -> None:
    ids: list[str] = []

    async def reconcile(_: str) -> Result:
        ids.append(log_context.get()["reconcile_id"])
        return Done()

    async with running(reconcile) as controller:
        controller.queue.add("a")
        controller.queue.add("b")
        await controller.settled()
    assert len(set(ids)) == 2
    assert "reconcile_id" not in log_context.get()


@pytest.mark.looptime
async def test_a_controller_gives_way_to_the_backlog_of_another_and_catches_up_after() -> None:
    order: list[str] = []

    async def write(key: str) -> Result:
        await asyncio.sleep(0.01)
        order.append(key)
        return Done()

    async def record(key: str) -> Result:
        order.append(key)
        return Done()

    async with (
        running(write, concurrency=10) as entries,
        running(record, concurrency=8, yields_to=entries.backlog) as records,
    ):
        entries.queue.add("first")
        await entries.settled()
        for number in range(1000):
            entries.queue.add(f"entry-{number}")
            records.queue.add(f"record-{number}")
        await entries.settled()
        # One that waited for a key already, and then ten a second of the 1 s that it took.
        assert sum(key.startswith("record") for key in order[:900]) <= 12
        await records.settled()
    assert len(order) == 2001


@pytest.mark.looptime
async def test_nobody_gives_way_to_what_stands_still() -> None:
    recorded: list[str] = []

    async def hang(_: str) -> Result:
        await asyncio.Event().wait()
        return Done()

    async def record(key: str) -> Result:
        recorded.append(key)
        return Done()

    async with (
        running(hang, timeout_seconds=1000.0) as entries,
        running(record, concurrency=8, yields_to=entries.backlog) as records,
    ):
        for number in range(1000):
            entries.queue.add(str(number))
            records.queue.add(str(number))
        await asyncio.sleep(STALLED_SECONDS)
        assert entries.queue.unfinished == 1000
        assert entries.backlog() == 0
        assert len(recorded) == 1000
