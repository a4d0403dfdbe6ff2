"""Traces: one leads from a Pod to its record, and nobody waits for whoever takes spans."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from controllers.traced import Traced
from manager.process import Process
from registrar.kube.controller import Done
from registrar.settings.model import PodIdentity, ReconcileMode
from registrar.telemetry import otel
from registrar.telemetry.tracing import SPAN
from tests.support.setup import Setup, until
from tests.support.workload import Workload

EVENT = "Pod event"
CLAIM = "reconcile pod"
ENTRY = "reconcile spireentry"
CALL = "spire.api.server.entry.v1.Entry/BatchCreateEntry"
RECORD = "reconcile spireentry-record"
PATH = "/ns/default/sa/default"


class Broken(SpanExporter):
    """Takes no span: raises, or does not come back before ``free`` is set."""

    def __init__(self, free: threading.Event | None) -> None:
        self._free = free
        self.was_asked = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the SDK's
        """Fail."""
        self.was_asked = True
        if self._free is not None:
            self._free.wait()
        raise ConnectionError("no collector")

    def shutdown(self) -> None:
        """Nothing."""


@contextlib.asynccontextmanager
async def traced(setup: Setup, exporter: SpanExporter) -> AsyncIterator[None]:
    """Run the reconcile mode with spans; what it made is exported when the block has ended."""
    settings = replace(
        setup.settings,
        workload_registrar=ReconcileMode(),
        pods=PodIdentity("service_account"),
    )
    # As a start does before anything runs: it reads what the SDK's packages say of themselves.
    tracer = await asyncio.to_thread(otel.OpenTelemetryTracer, exporter)
    process = Process(settings, tracer)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(process.run())
        try:
            await until(lambda: process.first_pass_is_over)
            yield
        finally:
            running.cancel()


def named(spans: Sequence[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def number_of_entries(call: ReadableSpan) -> int:
    found = attributes(call)["spire.entry.count"]
    assert isinstance(found, int)
    return found


def parent_of(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> ReadableSpan:
    assert span.parent is not None
    (found,) = (each for each in spans if each.context.span_id == span.parent.span_id)
    assert found.context.trace_id == span.context.trace_id
    return found


async def test_one_trace_leads_from_a_pod_to_its_record(embedded: Setup) -> None:
    cluster, exporter = Workload(embedded), InMemorySpanExporter()
    await cluster.node()
    async with traced(embedded, exporter):
        await cluster.pod("a")
        await cluster.until_recorded(PATH)
    spans = exporter.get_finished_spans()
    # Of the Pod's entry; the Node has one too.
    (entry,) = (
        each
        for each in named(spans, ENTRY)
        if attributes(each)["spiffe.id"] == f"spiffe://example.org{PATH}"
    )
    claim = parent_of(entry, spans)
    event = parent_of(claim, spans)
    assert (claim.name, event.name, event.parent) == (CLAIM, EVENT, None)
    assert attributes(event) == {"k8s.namespace.name": "default", "k8s.pod.name": "a"}
    assert (event.start_time or 0) <= (claim.start_time or 0) <= (entry.end_time or 0)
    children = [span for span in spans if span.parent and span.parent == entry.context]
    (call,) = named(children, CALL)
    assert call.kind is SpanKind.CLIENT
    assert number_of_entries(call) == 1
    assert named(children, RECORD)


async def test_a_call_for_many_entries_is_linked_to_their_spans(embedded: Setup) -> None:
    cluster, exporter = Workload(embedded), InMemorySpanExporter()
    await cluster.node()
    for number in range(40):
        await cluster.pod(f"pod-{number}", labels={"app": str(number)})
    async with traced(embedded, exporter):
        await until(lambda: len(embedded.entries(PATH)) == 40)
    spans = exporter.get_finished_spans()
    calls = named(spans, CALL)
    together = [call for call in calls if number_of_entries(call) > 1]
    assert together
    for call in together:
        assert call.parent is None
        assert len(call.links) == number_of_entries(call)
    linked = {link.context.span_id for call in calls for link in call.links}
    parents = {call.parent.span_id for call in calls if call.parent is not None}
    entries = {
        span.context.span_id
        for span in named(spans, ENTRY)
        if attributes(span)["spiffe.id"] == f"spiffe://example.org{PATH}"
    }
    assert linked | parents >= entries


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_whoever_takes_spans_may_fail(embedded: Setup, hangs: bool) -> None:
    cluster, free = Workload(embedded), threading.Event()
    await cluster.node()
    exporter = Broken(free if hangs else None)
    try:
        async with traced(embedded, exporter):
            await cluster.pod("a")
            await cluster.until_recorded(PATH)
    finally:
        free.set()
    assert exporter.was_asked


async def test_a_call_that_fails_is_an_error(embedded: Setup) -> None:
    cluster, exporter = Workload(embedded), InMemorySpanExporter()
    await cluster.node()
    async with traced(embedded, exporter):
        embedded.spire.faults.fail("BatchCreateEntry", times=1)
        await cluster.pod("a")
        await cluster.until_recorded(PATH)
    failed, made, *_ = sorted(
        (call for call in named(exporter.get_finished_spans(), CALL) if call.parent is not None),
        key=lambda call: call.start_time or 0,
    )[-2:]
    assert failed.status.status_code is StatusCode.ERROR
    assert attributes(failed)["error.type"] == "SpireUnavailable"
    assert made.status.status_code is StatusCode.UNSET


async def test_a_reconcile_that_times_out_is_an_error_and_its_trace_goes_on() -> None:
    exporter = InMemorySpanExporter()
    tracer = await asyncio.to_thread(otel.OpenTelemetryTracer, exporter)
    hangs = [True, False]

    async def reconcile(_: str) -> Done:
        if hangs.pop(0):
            await asyncio.Event().wait()
        return Done()

    source = Traced(name="a", kind="", reconcile=reconcile, tracer=tracer)
    with tracer.span("cause", attributes={}):
        source.waking(lambda _: None)("key")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await source.reconcile("key")
    await source.reconcile("key")
    await tracer.close()
    cause, *spans = exporter.get_finished_spans()
    assert [parent_of(span, [cause]) for span in spans] == [cause, cause]
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR, StatusCode.UNSET]


async def test_an_error_is_told_without_its_words() -> None:
    exporter = InMemorySpanExporter()
    tracer = await asyncio.to_thread(otel.OpenTelemetryTracer, exporter)
    within = list[object | None]()

    def fail() -> None:
        with tracer.span("a", attributes={}):
            within.append(SPAN.get())
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        fail()
    assert within != [SPAN.get()]
    await tracer.close()
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span) == {"error.type": "ValueError"}
    assert "secret" not in span.to_json()


def test_the_service_has_our_name_or_the_one_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for given, name in (("", "spire-registrar"), ("mine", "mine")):
        monkeypatch.setenv("OTEL_SERVICE_NAME", given)
        assert otel.resource().attributes["service.name"] == name


def test_an_exporter_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(ValueError, match="OTEL_TRACES_EXPORTER is 'zipkin': give otlp, or console"):
        otel.exporter()


def test_what_is_not_installed_is_told_with_its_remedy(tmp_path: Path) -> None:
    file = tmp_path / "spire-k8s-registrar.conf"
    file.write_text(
        'cluster = "a"\ntrust_domain = "example.org"\nserver_socket_path = "/none.sock"\n'
        "tracing = true\n"
    )
    # None in the place of a module is a module that is not there.
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from manager.cli import main\n"
        "sys.exit(main(['run', '--config', sys.argv[1]]))"
    )
    run = [sys.executable, "-c", code, str(file)]
    finished = subprocess.run(run, check=False, timeout=60, capture_output=True, text=True)
    assert finished.returncode == 2
    assert "pip install 'spire-registrar[tracing]', or set false" in finished.stderr


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    code = (
        "import sys, manager.cli, manager.process, manager.commands.run\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
