"""What ``top`` makes of two looks at a registrar."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.output import Page
from manager.top.frame import INF, Frame, document_of, frame_of, quantile
from manager.top.records import Line, Records
from manager.top.scrape import Calls, Queue, Scrape
from manager.top.text import write

URL = "http://localhost:8080/metrics"
BUCKETS = {0.01: 50.0, 0.1: 90.0, 1.0: 99.0, INF: 100.0}


def scrape(**changes: object) -> Scrape:
    fields: dict[str, object] = {
        "started_at": 1000.0,
        "entries": {"desired": 5.0, "failed": 1.0},
        "queues": {"idle": Queue(), "busy": Queue(3, 2)},
        "latency": BUCKETS,
        "calls": {"create": Calls(10, {"INTERNAL": 2}, 5.0)},
        **changes,
    }
    return Scrape(**fields)  # type: ignore[arg-type]


def frame(
    last: Scrape | None,
    before: Scrape | None = None,
    *,
    problem: str = "",
    records: Records | None = None,
) -> Frame:
    return frame_of(
        url=URL,
        at=2000.0,
        last=last,
        before=before,
        seconds=0.0 if before is None else 2.0,
        problem=problem,
        records=records or Records(not_watched="nobody asked"),
    )


def text_of(shown: Frame) -> str:
    stream = io.StringIO()
    write(shown, Page(stream))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("share", "seconds", "is_beyond"),
    [(0.5, 0.01, False), (0.25, 0.005, False), (0.99, 1.0, False), (0.995, 1.0, True)],
)
def test_a_quantile_is_reckoned_as_prometheus_does(
    share: float, seconds: float, *, is_beyond: bool
) -> None:
    found = quantile(share, BUCKETS)
    assert found is not None
    assert found.seconds == pytest.approx(seconds)
    assert found.is_beyond is is_beyond
    assert found.shown.startswith("over") is is_beyond


def test_an_empty_histogram_has_no_quantile() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {0.1: 0.0, INF: 0.0}) is None


@given(st.lists(st.integers(0, 100), min_size=2, max_size=8), st.floats(0.01, 0.99))
def test_a_quantile_lies_between_the_bounds(numbers: list[int], share: float) -> None:
    total, buckets = 0.0, {}
    for place, number in enumerate(numbers):
        total += number
        buckets[INF if place == len(numbers) - 1 else float(place + 1)] = total
    found = quantile(share, buckets)
    assert (found is None) == (total == 0)
    if found is not None:
        assert 0 <= found.seconds <= len(numbers) - 1


def test_two_looks_give_rates_and_the_latency_between_them() -> None:
    later = scrape(
        latency={**BUCKETS, 1.0: 199.0, INF: 200.0},
        calls={"create": Calls(16, {}, 5.0), "delete": Calls(2, {}, 1.0)},
    )
    found = frame(later, scrape())
    assert found.rates == {"create": 3.0, "delete": 1.0}
    assert found.recent is not None
    assert found.recent.number == 100
    assert "last 2 s" in text_of(found)


def test_a_registrar_that_was_started_anew_is_not_compared_with_the_one_before() -> None:
    found = frame(scrape(started_at=1500.0, calls={"create": Calls(1)}), scrape())
    assert found.note == "the registrar was started anew"
    assert (found.rates, found.recent) == ({}, None)
    assert "the registrar was started anew" in text_of(found)


def test_a_registrar_that_is_gone_is_said_to_be_and_its_last_figures_stay() -> None:
    found = frame(scrape(), problem="no answer")
    assert found.state == "gone: no answer"
    assert "asked for" in text_of(found)
    never = frame(None, problem="no answer")
    assert never.state == "gone: no answer"
    assert "ENTRIES" not in text_of(never)


@pytest.mark.parametrize(
    ("leads", "words"), [(True, "leads"), (None, "works"), (False, "stands by: another replica")]
)
def test_the_first_line_says_whether_it_leads(*, leads: bool | None, words: str) -> None:
    assert f"{URL}: {words}" in text_of(frame(scrape(leads=leads))).splitlines()[0]


def test_the_busiest_queue_comes_first_and_errors_are_named() -> None:
    lines = text_of(frame(scrape())).splitlines()
    names = [line.split()[0] for line in lines if line.startswith(("idle", "busy"))]
    assert names == ["busy", "idle"]
    assert any("500.0 ms" in line and line.endswith("2 INTERNAL") for line in lines)


def test_nothing_that_somebody_wrote_steers_the_terminal() -> None:
    line = Line(
        "2026-01-01T00:00:00Z", "Failed", "spiffe://a/\x1b[2J", "n", "no\nline \x1b]0;x\x07"
    )
    text = text_of(frame(scrape(), records=Records(newest=[line], failing=[line])))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "no\\nline" in text


def test_a_document_says_the_same() -> None:
    line = Line("2026-01-01T00:00:00Z", "made", "spiffe://a/b", "b")
    records = Records(number=1, newest=[line])
    found = json.loads(json.dumps(document_of(frame(scrape(), records=records))))
    assert found["state"] == "works"
    assert found["entries"] == {"desired": 5, "failed": 1}
    assert found["queues"][0] == {"name": "busy", "depth": 3, "retries": 2}
    assert found["podToEntry"]["pods"] == 100
    assert found["podToEntry"]["p50Seconds"] == pytest.approx(0.01)
    assert found["spireCalls"] == [
        {"method": "create", "calls": 10, "errors": {"INTERNAL": 2}, "meanSeconds": 0.5}
    ]
    assert found["spireEntries"]["newest"][0]["spiffeID"] == "spiffe://a/b"
    assert found["startedAt"] == "1970-01-01T00:16:40Z"
