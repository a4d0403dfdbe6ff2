"""Spans by OpenTelemetry's SDK. Imported only where tracing is on.

The standard variables say the rest: OTEL_EXPORTER_OTLP_ENDPOINT and its like where spans go,
OTEL_TRACES_SAMPLER how many, OTEL_RESOURCE_ATTRIBUTES what they say of this process. The SDK sends
in a thread of its own; what it cannot send it drops, and says so in the log.
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)

from registrar.telemetry.tracing import SPAN, Attributes

_NAME = "spire-registrar"
_CLOSE_SECONDS = 3.0
_EXPORTER = "OTEL_TRACES_EXPORTER"


class OpenTelemetryTracer:
    """A ``Tracer``; ``exporter`` is where spans go."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(_NAME)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        attributes: Attributes,
        parent: object | None = None,
        links: Sequence[object] = (),
        began_ago: float = 0.0,
        is_call: bool = False,
    ) -> Iterator[None]:
        """See ``Tracer``."""
        # Never what is current by OpenTelemetry's own means: nothing else here is traced.
        context = Context()
        if isinstance(parent, SpanContext):
            context = set_span_in_context(NonRecordingSpan(parent), context)
        span = self._tracer.start_span(
            name,
            context=context,
            kind=SpanKind.CLIENT if is_call else SpanKind.INTERNAL,
            attributes=dict(attributes),
            links=[Link(each) for each in links if isinstance(each, SpanContext)],
            start_time=time.time_ns() - int(began_ago * 1e9),
        )
        token = SPAN.set(span.get_span_context())
        try:
            yield
        except BaseException as error:
            # Also a cancellation, which a time-out is in here. The words of an error may have
            # anything in them; the log has them.
            span.set_attribute("error.type", getattr(error, "reason", "") or type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            SPAN.reset(token)
            span.end()

    async def close(self) -> None:
        """See ``Tracer``."""
        # A daemon: where a collector does not answer, it must not hold the process up.
        thread = threading.Thread(target=self._provider.shutdown, daemon=True, name="spans")
        thread.start()
        await asyncio.to_thread(thread.join, _CLOSE_SECONDS)


def exporter() -> SpanExporter:
    """The exporter that OTEL_TRACES_EXPORTER names, otlp without it.

    Raises ValueError for one that is not here.
    """
    name = os.environ.get(_EXPORTER, "") or "otlp"
    if name == "console":
        return ConsoleSpanExporter()
    if name == "otlp":
        return OTLPSpanExporter()
    raise ValueError(f"{_EXPORTER} is {name!r}: give otlp, or console to print spans")


def resource() -> Resource:
    """What spans say of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    ours = Resource({"service.name": _NAME, "service.version": version(_NAME)})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())
