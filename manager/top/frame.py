"""What is shown at one moment: the last look, and how it differs from the one before. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from api.codec import JSONObject, JSONValue
from manager.top.records import Line, Records
from manager.top.scrape import Calls, Queue, Scrape

INF = float("inf")


def time_of(seconds: float) -> str:
    """A Unix time as RFC 3339; empty for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram; ``is_beyond``: it is more than the last bound that is counted."""

    seconds: float
    is_beyond: bool = False

    @property
    def shown(self) -> str:
        """As people read it."""
        text = f"{self.seconds * 1000:.0f} ms" if self.seconds < 1 else f"{self.seconds:.1f} s"
        return f"over {text}" if self.is_beyond else text


@dataclass(frozen=True, slots=True)
class Latency:
    """From Pods to their entries; the quantiles are None where there were none."""

    number: int
    p50: Quantile | None
    p99: Quantile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything that is shown."""

    url: str
    at: float
    """Unix time."""
    problem: str = ""
    """Why the registrar is not reached; what is shown is older then."""
    note: str = ""
    """That it was started anew since the last look."""
    scrape: Scrape | None = None
    seconds: float = 0.0
    """Between the two looks; 0 where there was only one since the registrar was started."""
    latency: Latency = Latency(0, None, None)
    recent: Latency | None = None
    """Between the two looks."""
    rates: Mapping[str, float]
    """Calls to the SPIRE server a second, by method, between the two looks."""
    records: Records

    @property
    def state(self) -> str:
        """What the registrar does, in words."""
        if self.problem:
            return f"gone: {self.problem}"
        if self.scrape is None:
            return "not looked at yet"
        if self.scrape.leads is False:
            return "stands by: another replica works, so there are no entries to see here"
        return "works" if self.scrape.leads is None else "leads"


def frame_of(
    *,
    url: str,
    at: float,
    last: Scrape | None,
    before: Scrape | None,
    seconds: float,
    problem: str,
    records: Records,
) -> Frame:
    """Compare two looks at one registrar; ``before`` may have been at an earlier process."""
    if last is None:
        return Frame(url=url, at=at, problem=problem, rates={}, records=records)
    is_restarted = before is not None and before.started_at != last.started_at
    if before is None or is_restarted or seconds <= 0:
        before, seconds = None, 0.0
    recent = None if before is None else latency_of(_less(last.latency, before.latency))
    return Frame(
        url=url,
        at=at,
        problem=problem,
        note="the registrar was started anew" if is_restarted else "",
        scrape=last,
        seconds=seconds,
        latency=latency_of(last.latency),
        recent=recent,
        rates={} if before is None else _rates(last.calls, before.calls, seconds),
        records=records,
    )


def latency_of(buckets: Mapping[float, float]) -> Latency:
    """Number and quantiles of cumulative buckets."""
    number = buckets.get(INF, 0.0)
    return Latency(int(number), quantile(0.5, buckets), quantile(0.99, buckets))


def quantile(share: float, buckets: Mapping[float, float]) -> Quantile | None:
    """As Prometheus' histogram_quantile reckons it; None for an empty histogram."""
    total = buckets.get(INF, 0.0)
    bounds = sorted(buckets)
    if total <= 0 or len(bounds) < 2:
        return None
    rank, low, below = share * total, 0.0, 0.0
    for bound in bounds[:-1]:
        inside = buckets[bound] - below
        if buckets[bound] >= rank and inside > 0:
            return Quantile(low + (bound - low) * (rank - below) / inside)
        low, below = bound, buckets[bound]
    return Quantile(low, is_beyond=True)


def _less(now: Mapping[float, float], before: Mapping[float, float]) -> dict[float, float]:
    return {bound: max(0.0, number - before.get(bound, 0.0)) for bound, number in now.items()}


def _rates(
    now: Mapping[str, Calls], before: Mapping[str, Calls], seconds: float
) -> dict[str, float]:
    return {
        method: max(0.0, calls.number - before.get(method, Calls()).number) / seconds
        for method, calls in now.items()
    }


def busiest(queues: Mapping[str, Queue]) -> list[tuple[str, Queue]]:
    """The queues, those with the most to do first."""
    return sorted(queues.items(), key=lambda item: (-item[1].depth, item[0]))


def document_of(frame: Frame) -> JSONObject:
    """A frame as JSON or YAML has it."""
    scrape = frame.scrape or Scrape()
    return {
        "at": time_of(frame.at),
        "url": frame.url,
        "problem": frame.problem,
        "state": frame.state,
        "leads": scrape.leads,
        "startedAt": time_of(scrape.started_at),
        "entries": {name: int(number) for name, number in scrape.entries.items()},
        "queues": [
            {"name": name, "depth": int(queue.depth), "retries": int(queue.retries)}
            for name, queue in busiest(scrape.queues)
        ],
        "podToEntry": _latency(frame.latency),
        "spireCalls": [
            {
                "method": method,
                "calls": int(calls.number),
                "errors": {code: int(number) for code, number in sorted(calls.errors.items())},
                "meanSeconds": calls.seconds / calls.number if calls.number else None,
            }
            for method, calls in sorted(scrape.calls.items())
        ],
        "spireEntries": {
            "notWatched": frame.records.not_watched,
            "number": frame.records.number,
            "newest": _records(frame.records.newest),
            "failing": _records(frame.records.failing),
        },
    }


def _latency(latency: Latency) -> JSONObject:
    found: JSONObject = {"pods": latency.number}
    for name, value in (("p50", latency.p50), ("p99", latency.p99)):
        found[f"{name}Seconds"] = None if value is None else value.seconds
        found[f"{name}IsMore"] = value is not None and value.is_beyond
    return found


def _records(lines: Sequence[Line]) -> list[JSONValue]:
    return [
        {
            "at": one.at,
            "what": one.what,
            "spiffeID": one.spiffe_id,
            "name": one.name,
            "message": one.message,
        }
        for one in lines
    ]
