"""The status of a ClusterSPIFFEID: its numbers, and in words what is wrong."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from api.meta import Condition, ObjectKey, set_condition
from api.spire.v1alpha1.clusterspiffeid import (
    ClusterSPIFFEID,
    ClusterSPIFFEIDStats,
    ClusterSPIFFEIDStatus,
)
from registrar.claims.claim import Problem
from registrar.claims.federation import FEDERATION_PENDING, pending_condition
from registrar.claims.outcome import LATE, Outcome, State
from registrar.claims.tally import Part, Tally
from registrar.claims.templaterules import RENDER_FAILED
from registrar.identity.entry import EntryKey

READY = "Ready"
MASKED = "Masked"
DNS_NAMES_OMITTED = "DNSNamesOmitted"
ALL_SET = "every Pod that it selects renders, and no entry fails"
_OWN = frozenset({READY, MASKED, DNS_NAMES_OMITTED, FEDERATION_PENDING})
_MOST_NAMED = 3


class Namespaces(NamedTuple):
    """How many Namespaces a template selects, ignored ones included, and which are ignored."""

    selected: int
    ignored: tuple[str, ...]


def status_of(
    obj: ClusterSPIFFEID,
    *,
    tally: Tally,
    namespaces: Namespaces,
    failing: Sequence[tuple[EntryKey, Outcome]],
    pending: Collection[str],
    problem: Problem | None,
    now: str,
) -> ClusterSPIFFEIDStatus:
    """The status to write.

    ``failing`` are the entries that the SPIRE server does not hold as they
    were asked for, ``pending`` trust domains that some entry waits for.
    """
    name = obj.metadata.name
    stats = ClusterSPIFFEIDStats(
        namespaces_selected=namespaces.selected,
        namespaces_ignored=len(namespaces.ignored),
        pods_selected=sum(tally.count(name, part) for part in Part),
        pod_entry_render_failures=tally.count(name, Part.FAILED),
        entries_masked=tally.count(name, Part.MASKED),
        entries_to_set=tally.count(name, Part.TO_SET),
        entry_failures=sum(outcome.state is not State.LATE for _, outcome in failing),
    )
    generation = obj.metadata.generation
    status, reason, message = _ready(tally, name, stats, failing, problem)
    stated = (
        Condition(type=READY, status=status, reason=reason, message=message),
        *_masked(tally.masked(name), stats),
        *_left_out(tally.left_out(name)),
    )
    wanted = (
        *(
            msgspec.structs.replace(
                condition, observed_generation=generation, last_transition_time=now
            )
            for condition in stated
        ),
        *pending_condition(sorted(pending), now),
    )
    conditions = tuple(c for c in obj.status.conditions if c.type not in _OWN)
    old = {c.type: c for c in obj.status.conditions}
    for condition in wanted:
        before = (old[condition.type],) if condition.type in old else ()
        conditions = (*conditions, *set_condition(before, condition))
    return ClusterSPIFFEIDStatus(stats=stats, observed_generation=generation, conditions=conditions)


def _masked(masked: Mapping[ObjectKey, str], stats: ClusterSPIFFEIDStats) -> Iterator[Condition]:
    """That entries are not this object's, and whose they are; nothing when all are its own."""
    if not masked:
        return
    number = len(masked)
    total = number + (stats.entries_to_set or 0)
    share = f"all {total}" if number == total else f"{number} of {total}"
    winners = Counter(masked.values()).most_common()
    named = ", ".join(f"{winner} ({count})" for winner, count in winners[:_MOST_NAMED])
    yield Condition(
        type=MASKED,
        status="True",
        reason="OlderClaim",
        message=f"{share} of its entries are asked for by an older object too, which decides what "
        f"is in them: {named}{_and_more(len(winners))}; make it ask for another identity or "
        "delete one of the two",
    )


def _left_out(left_out: Mapping[ObjectKey, str]) -> Iterator[Condition]:
    """That entries are set without some of their DNS names; nothing when all have theirs."""
    if not left_out:
        return
    named = _named((str(pod), why) for pod, why in sorted(left_out.items()))
    yield Condition(
        type=DNS_NAMES_OMITTED,
        status="True",
        reason="InvalidDNSName",
        message=f"the entries of {len(left_out)} Pods are set without DNS names that no SVID may "
        f"have: {named}",
    )


def _ready(
    tally: Tally,
    name: str,
    stats: ClusterSPIFFEIDStats,
    failing: Sequence[tuple[EntryKey, Outcome]],
    problem: Problem | None,
) -> tuple[str, str, str]:
    """Status, reason and message of the Ready condition; one bad thing is worth a word."""
    if problem is not None:
        kept = "; the last good state stays in force" if stats.entries_to_set else ""
        return "False", problem.reason, problem.message + kept
    failures = tally.failures(name)
    if failures:
        named = _named((str(pod), why) for pod, why in sorted(failures.items()))
        return (
            "False",
            RENDER_FAILED,
            f"{len(failures)} Pods do not render, what they had stays: {named}",
        )
    if failing:
        named = _named(sorted((key.spiffe_id, outcome.message) for key, outcome in failing))
        is_late = all(outcome.state is State.LATE for _, outcome in failing)
        return (
            "False",
            LATE.reason if is_late else "EntriesFailed",
            f"{len(failing)} entries are not set: {named}",
        )
    return "True", "EntriesSet", _of_what_is_set(stats)


def _of_what_is_set(stats: ClusterSPIFFEIDStats) -> str:
    text = f"{stats.entries_to_set} entries for {stats.pods_selected} Pods"
    if stats.pods_selected or not stats.namespaces_selected:
        return text
    if stats.namespaces_ignored == stats.namespaces_selected:
        return f"{text}: every Namespace that it selects is one of ignoreNamespaces"
    return text


def _named(failures: Iterable[tuple[str, str]]) -> str:
    """What is wrong with whom, each text once; the commonest first, and not all of them."""
    by_text: dict[str, list[str]] = {}
    for who, why in failures:
        by_text.setdefault(why, []).append(who)
    texts = sorted(by_text.items(), key=lambda item: -len(item[1]))
    said = []
    for why, all_of_them in texts[:_MOST_NAMED]:
        more = len(all_of_them) - _MOST_NAMED
        some = ", ".join(all_of_them[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        said.append(f"{some}: {why}")
    return "; ".join(said) + _and_more(len(texts))


def _and_more(number: int) -> str:
    return "; and more" if number > _MOST_NAMED else ""
