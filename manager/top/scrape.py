"""One look at the metrics of a registrar: fetched within limits, and read."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from registrar.errors import InvalidField

DEFAULT_URL = "http://localhost:8080/metrics"
_SECONDS = 5.0
_MOST_BYTES = 8 * 1024 * 1024
_OK = "OK"


class NotReached(Exception):  # noqa: N818 - it is no fault of the program
    """The metrics cannot be had at this moment; the text says why."""


class UnreadableError(ValueError):
    """A text is no metrics, or they lack a label that they have by their names."""


@dataclass(slots=True)
class Calls:
    """Calls to the SPIRE server by one method."""

    number: float = 0
    errors: dict[str, float] = field(default_factory=dict)
    """By gRPC code."""
    seconds: float = 0


@dataclass(slots=True)
class Queue:
    """One queue of keys."""

    depth: float = 0
    retries: float = 0


@dataclass(slots=True)
class Scrape:
    """What the metrics said."""

    started_at: float = 0.0
    """Unix time of the process; 0 where it does not tell."""
    leads: bool | None = None
    """None where nobody is elected."""
    entries: dict[str, float] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    latency: dict[float, float] = field(default_factory=dict)
    """Of Pods to entries: how many took as long as that or less."""
    calls: dict[str, Calls] = field(default_factory=dict)


def url_of(text: str) -> str:
    """The URL of metrics that somebody names, maybe without its path. Raises InvalidField."""
    remedy = f"write one such as {DEFAULT_URL}"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError as error:
        raise InvalidField("--url", text, f"{error}: {remedy}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidField("--url", text, remedy)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/metrics", fragment=""))


async def scraped(http: aiohttp.ClientSession, url: str) -> Scrape:
    """Fetch and read the metrics. Raises NotReached."""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            http.get(url, headers={"Accept": "text/plain"}) as response,
        ):
            if response.status != 200:
                raise NotReached(f"{url} answers {response.status} {response.reason}")
            body = await _bounded(response)
    except TimeoutError:
        raise NotReached(f"{url} does not answer within {_SECONDS:g} s") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise NotReached(f"{url} is not reached: {str(error) or type(error).__name__}") from error
    try:
        found = read(body.decode("utf-8", "replace"))
    except UnreadableError as error:
        raise NotReached(f"what {url} answers are no metrics") from error
    if not found.entries:
        raise NotReached(f"what {url} answers are not the metrics of a registrar")
    return found


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(64 * 1024):
        size += len(part)
        if size > _MOST_BYTES:
            raise NotReached(f"the answer is larger than {_MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def read(text: str) -> Scrape:
    """Metrics in the text format. Raises UnreadableError for what is none."""
    found = Scrape()
    for sample in _samples(text):
        if not math.isfinite(sample.value):
            continue
        try:
            _take(found, sample.name, sample.labels, sample.value)
        except (KeyError, ValueError) as error:
            raise UnreadableError(f"{sample.name}: {error}") from error
    return found


def _take(found: Scrape, name: str, labels: Mapping[str, str], value: float) -> None:
    match name:
        case "process_start_time_seconds":
            found.started_at = value
        case "leader_election_master_status":
            found.leads = bool(found.leads) or value > 0
        case "spire_registrar_entries":
            found.entries[labels["state"]] = value
        case "workqueue_depth":
            _queue(found, labels).depth += value
        case "workqueue_retries_total":
            _queue(found, labels).retries += value
        case "spire_registrar_pod_to_entry_seconds_bucket":
            found.latency[float(labels["le"])] = value
        case "spire_registrar_spire_call_seconds_count":
            calls = found.calls.setdefault(labels["method"], Calls())
            calls.number += value
            if labels["code"] != _OK and value:
                calls.errors[labels["code"]] = value
        case "spire_registrar_spire_call_seconds_sum":
            found.calls.setdefault(labels["method"], Calls()).seconds += value


def _queue(found: Scrape, labels: Mapping[str, str]) -> Queue:
    return found.queues.setdefault(labels["name"], Queue())


def _samples(text: str) -> Iterator[Sample]:
    try:
        for family in text_string_to_metric_families(text):
            yield from family.samples
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # What the library raises for text of another form depends on where it differs.
        raise UnreadableError(str(error)) from error
