"""What a registrar does at this moment, in values: what the first page shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice

from manager.process import Process
from registrar.telemetry.recent import Recent

MOST_SHOWN = 20
_DEPTH = "workqueue_depth"
_VERSION = version("spire-registrar")


@dataclass(frozen=True, slots=True)
class Failing:
    """An entry that is not as it was asked for."""

    spiffe_id: str
    asked_for_by: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """An object that something is wrong with."""

    object: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything on the first page."""

    facts: Mapping[str, str]
    standby: str
    """That another process works, and which; empty where this one does."""
    waits: str
    """What it waits for before it is ready; empty where it is."""
    entries: Mapping[str, int]
    queues: Mapping[str, int]
    failing: Sequence[Failing]
    more_failing: bool
    wrong: Sequence[Wrong]
    more_wrong: bool
    withheld: str
    warnings: Sequence[str]


def overview_of(process: Process, recent: Recent) -> Overview:
    """What there is to see now."""
    settings, working = process.settings, process.working()
    facts = {
        "mode": settings.mode,
        "trust domain": settings.trust_domain,
        "cluster": settings.cluster,
        "class": settings.class_name,
        "prefix of entry IDs": "" if working is None else working.term.shared.prefix,
        "leads": process.leaders or ("" if working is None else "this process; nobody is elected"),
        "version": _VERSION,
    }
    failing = [] if working is None else list(islice(_failing(process), MOST_SHOWN + 1))
    wrong: list[Wrong] = []
    if working is not None:
        problems = islice(working.term.shared.problems.items(), MOST_SHOWN + 1)
        wrong = [Wrong(str(by), one.reason, one.message) for by, one in problems]
    return Overview(
        facts={name: value for name, value in facts.items() if value},
        standby=standby_of(process),
        waits="" if process.is_standby else process.why_not_ready() or "",
        entries={} if working is None else process.entry_counts(),
        queues={} if working is None else dict(_queues(process)),
        failing=failing[:MOST_SHOWN],
        more_failing=len(failing) > MOST_SHOWN,
        wrong=wrong[:MOST_SHOWN],
        more_wrong=len(wrong) > MOST_SHOWN,
        withheld="" if working is None else working.term.shared.withheld,
        warnings=recent.lines,
    )


def standby_of(process: Process) -> str:
    """That this process stands by, and who works; empty where it does not."""
    if not process.is_standby:
        return ""
    return (
        "This replica stands by and knows nothing of entries. "
        f"Ask the one that works: {process.leaders or 'nobody yet'}."
    )


def _failing(process: Process) -> Iterator[Failing]:
    working = process.working()
    shared = None if working is None else working.term.shared
    if shared is None:
        return
    for key in shared.failing.keys():  # noqa: SIM118 - no mapping
        outcome, winner = shared.outcomes.get(key), shared.index.winner(key)
        by = "nobody" if winner is None else str(winner.subject)
        yield Failing(key.spiffe_id, by, outcome.state.value, outcome.message)


def _queues(process: Process) -> Iterator[tuple[str, int]]:
    process.metrics.refresh()
    depths: dict[str, int] = {}
    for metric in process.metrics.registry.restricted_registry([_DEPTH]).collect():
        for sample in metric.samples:
            name = sample.labels.get("name", "")
            depths[name] = depths.get(name, 0) + int(sample.value)
    yield from sorted(depths.items())
