"""A frame as lines of text, the same wherever it is shown."""

from collections.abc import Iterator, Sequence

from manager.output import Page
from manager.top.frame import Frame, Latency, busiest, time_of
from manager.top.records import Line
from manager.top.scrape import Scrape
from registrar.errors import printable

STATES = {
    "desired": "asked for",
    "set": "set as asked for",
    "present": "on the SPIRE server",
    "failed": "failing",
    "withheld": "deletions withheld",
    "foreign": "of others",
}
"""The states of entries, as people read them."""

ENTRIES = ("ENTRIES", "NUMBER")
QUEUES = ("QUEUE", "KEYS", "RETRIES")
LATENCY = ("POD TO ENTRY", "PODS", "P50", "P99")
CALLS = ("SPIRE CALLS", "NUMBER", "PER SECOND", "MEAN", "ERRORS")
LINES = ("AT", "WHAT", "SPIFFE ID", "WHY")
Rows = list[tuple[str, ...]]


def headline(frame: Frame) -> str:
    """The first line."""
    parts = [f"{time_of(frame.at)} {frame.url}: {frame.state}"]
    scrape = frame.scrape
    if scrape is not None and scrape.started_at:
        parts.append(f"started {time_of(scrape.started_at)}")
    if frame.note:
        parts.append(frame.note)
    return printable("; ".join(parts))


def entry_rows(scrape: Scrape) -> Rows:
    """Entries by state."""
    return [(STATES.get(name, name), f"{number:.0f}") for name, number in scrape.entries.items()]


def queue_rows(scrape: Scrape) -> Rows:
    """The queues."""
    return [(n, f"{q.depth:.0f}", f"{q.retries:.0f}") for n, q in busiest(scrape.queues)]


def latency_rows(frame: Frame) -> Rows:
    """From Pods to entries."""
    rows = [_latency("since the start", frame.latency)]
    if frame.recent is not None:
        rows.append(_latency(f"last {frame.seconds:.0f} s", frame.recent))
    return rows


def call_rows(frame: Frame) -> Rows:
    """Calls to the SPIRE server by method."""
    rows: Rows = []
    for method, calls in sorted(frame.scrape.calls.items() if frame.scrape else ()):
        mean = f"{calls.seconds / calls.number * 1000:.1f} ms" if calls.number else "-"
        errors = ", ".join(f"{n:.0f} {code}" for code, n in sorted(calls.errors.items()))
        rate = frame.rates.get(method)
        per_second = "-" if rate is None else f"{rate:.1f}"
        rows.append((method, f"{calls.number:.0f}", per_second, mean, errors or "0"))
    return rows


def line_rows(lines: Sequence[Line]) -> Rows:
    """Changes or failures."""
    return [(one.at, one.what, one.spiffe_id, one.message) for one in lines]


def write(frame: Frame, page: Page) -> None:
    """Write one frame."""
    page.line(headline(frame))
    for title, rows in _tables(frame):
        page.line()
        page.table([tuple(map(printable, row)) for row in (title, *rows)])
    if frame.records.not_watched:
        page.line()
        page.paragraph(printable(f"SpireEntries: {frame.records.not_watched}"))


def _tables(frame: Frame) -> Iterator[tuple[tuple[str, ...], Rows]]:
    if frame.scrape is not None:
        yield ENTRIES, entry_rows(frame.scrape)
        yield QUEUES, queue_rows(frame.scrape)
        yield LATENCY, latency_rows(frame)
        yield CALLS, call_rows(frame)
    for title, lines in (("NEWEST", frame.records.newest), ("FAILING", frame.records.failing)):
        if lines:
            yield (title, *LINES[1:]), line_rows(lines)


def _latency(name: str, latency: Latency) -> tuple[str, ...]:
    p50, p99 = (None if q is None else q.shown for q in (latency.p50, latency.p99))
    return (name, str(latency.number), p50 or "-", p99 or "-")
