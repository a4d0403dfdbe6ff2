"""What the running registrar says of itself: its metrics and its readiness, read over HTTP.

They are asked for where `--metrics` says, else at the leader's Pod through the API server, else,
within that Pod, on its own address.
"""

from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from manager.doctor.entries import largest_parent
from manager.doctor.finding import Finding, Unlooked, error, ok, warning
from manager.doctor.leases import holding, leader_lease
from manager.doctor.world import CALL_SECONDS, World
from manager.output import counted
from registrar.kube.errors import KubeError
from registrar.kube.session import Request

READY, WITHHELD, WRITES = "ready", "deletions-withheld", "spire-write-time"
SLOW_SECONDS = 0.005
"""For one entry. A server whose database has statistics takes a third of it at 10,000 entries."""
MANY = 1000

_WITHHELD = "deletions-are-withheld"
_SLOW = "entries-come-slowly-when-there-are-many"
_NOWHERE = "give --metrics URL, such as http://127.0.0.1:8080/metrics by kubectl port-forward"


@dataclass(frozen=True, slots=True)
class Sums:
    """The sum of a histogram and how many were counted."""

    total: float
    count: float


async def ready(world: World) -> list[Finding]:
    """Whether the process that leads says that it is ready."""
    if world.settings.health_addr is not None and world.metrics_url:
        raise Unlooked("its probes are not served beside its metrics", "ask its health address")
    text = await _get(world, "/readyz", world.settings.health_addr or world.settings.metrics_addr)
    problems = [line.partition("[-] ")[2] for line in text.splitlines() if "[-] " in line]
    if not problems:
        return [ok(READY, "the running registrar is ready")]
    return [
        error(
            READY,
            f"the running registrar is not ready: {'; '.join(problems)}",
            meaning="it waits, and writes nothing until that is right",
            remedy="as the check says",
            runbook="not-ready",
        )
    ]


async def withheld(world: World) -> list[Finding]:
    """Whether deletions wait for a person's word."""
    text = await _get(world, "/metrics", world.settings.metrics_addr)
    number = int(_value(text, "spire_registrar_deletions_withheld"))
    if not number:
        return [ok(WITHHELD, "no deletion waits for a person's word")]
    return [
        warning(
            WITHHELD,
            f"{counted(number, 'deletion')} {'wait' if number > 1 else 'waits'} for a person's "
            "word",
            meaning="more would go at once than the budget allows: entries stay that nothing asks "
            "for any more",
            remedy="find out what deleted their sources, and agree to it if it was meant",
            runbook=_WITHHELD,
        )
    ]


async def write_time(world: World) -> list[Finding]:
    """What one creation takes the SPIRE server, as the registrar saw it."""
    text = await _get(world, "/metrics", world.settings.metrics_addr)
    seconds = sums(text, "spire_registrar_spire_call_seconds", method="create", code="OK")
    entries = sums(text, "spire_registrar_spire_batch_size", method="create")
    unknown = (
        "this is the mean since that process started, by its own clock: which database the "
        "server has, and what it did before, is not known"
    )
    if not entries.total or not seconds.count:
        words = "the running registrar has created nothing yet, so SPIRE's time is not known"
        return [ok(WRITES, words)]
    each = seconds.total / entries.total
    stored = await world.entries()
    parent = largest_parent(stored)
    words = (
        f"SPIRE took {each * 1000:.1f} ms for each of {counted(int(entries.total), 'creation')}, "
        f"with {counted(len(stored), 'entry', 'entries')}, {parent:,} of them below one parent"
    )
    if each < SLOW_SECONDS or parent < MANY:
        return [ok(WRITES, words, meaning=unknown)]
    return [
        warning(
            WRITES,
            words,
            meaning=f"with SQLite without statistics a creation grows with the entries of its "
            f"parent; {unknown}",
            remedy="ANALYZE the server's database once, if it is SQLite; else look at its load",
            runbook=_SLOW,
        )
    ]


def sums(text: str, name: str, **labels: str) -> Sums:
    """The sum and count of one histogram in the text format; all others of its labels count."""
    total = count = 0.0
    for family in text_string_to_metric_families(text):
        if family.name != name:
            continue
        for sample in family.samples:
            if any(sample.labels.get(key) != value for key, value in labels.items()):
                continue
            if sample.name == f"{name}_sum":
                total += sample.value
            elif sample.name == f"{name}_count":
                count += sample.value
    return Sums(total, count)


def _value(text: str, name: str) -> float:
    """A gauge in the text format; 0 where it is not there."""
    families = text_string_to_metric_families(text)
    return sum(each.value for family in families for each in family.samples if each.name == name)


async def _get(world: World, path: str, address: str) -> str:
    """A page of the running registrar, also one that says that it is not ready. Raises Unlooked."""
    if world.metrics_url:
        url = URL(world.metrics_url)
        return await _fetched(url if path == "/metrics" else url.with_path(path))
    port = address.rpartition(":")[2]
    pod = await _leaders_pod(world)
    if not pod:
        # Beside it, in the same Pod, or not at all.
        return await _fetched(URL(f"http://127.0.0.1:{port}{path}"))
    session = await world.session()
    proxied = f"/api/v1/namespaces/{pod[0]}/pods/{pod[1]}:{port}/proxy{path}"
    try:
        reply = await session.call(Request("GET", proxied, deadline_seconds=CALL_SECONDS))
    except KubeError as problem:
        if "[-] " in str(problem):
            return str(problem)
        raise Unlooked(str(problem), _NOWHERE) from problem
    return reply.decode(errors="replace")


async def _leaders_pod(world: World) -> tuple[str, str] | None:
    """Namespace and name of the Pod that leads, as far as its Lease tells."""
    key = leader_lease(world)
    if key is None or not world.has_cluster or not key.namespace:
        return None
    held = await holding(world, key)
    if held is None or not held.is_held or not held.pod:
        return None
    return key.namespace, held.pod


async def _fetched(url: URL) -> str:
    limits = aiohttp.ClientTimeout(total=CALL_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            return await response.text()
    except aiohttp.ClientConnectorError as problem:
        raise Unlooked(f"nobody listens at {url}", _NOWHERE) from problem
    except (aiohttp.ClientError, OSError) as problem:
        why = str(problem) or type(problem).__name__
        raise Unlooked(f"{url}: {why}", _NOWHERE) from problem
