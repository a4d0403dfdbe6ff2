"""Entries against their records, and whose the other entries on the server are."""

import re
import time
from collections import Counter
from collections.abc import Iterable

from api.meta import find_condition
from api.proto import types_pb2
from api.spiffeid.v1beta1.spireentry import SpireEntry
from manager.doctor.finding import Finding, error, ok, some, warning
from manager.doctor.leases import Holding
from manager.doctor.world import World
from manager.output import counted
from registrar.claims.ownership import is_a_registrars, is_ours
from registrar.kube.errors import NotFound

LOST, UNRECORDED, GONE, FAILING, OTHERS, CLOCK = (
    "records-without-entries",
    "entries-without-records",
    "entries-of-gone-pods",
    "records-not-ready",
    "other-registrars",
    "clock-of-spire-server",
)
_UID = "pod-uid:"
_STAY = "entries-stay-though-nothing-asks-for-them"
_LEFT = "entries-that-nobody-looks-after"
_REGISTRARS = re.compile(r"([A-Za-z0-9._-]+?)\.(?:[a-z0-9-]+\.)?[a-z2-7]{26}")
_MANAGERS = re.compile(r"(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_PREFIXES = 20
_SKEW_SECONDS = 5


async def records(world: World) -> list[Finding]:
    """Records of ours whose entry is not on the server, and entries of ours without a record."""
    try:
        recorded = _own_records(world, await world.spire_entries())
    except NotFound:
        return [ok(LOST, "SpireEntries are not installed, so nothing is recorded")]
    ids = {entry.id for entry in await world.entries()}
    prefix = (await world.prefixes()).current
    lost, unrecorded = _lost(recorded, ids), _unrecorded(recorded, ids, prefix)
    if lost or unrecorded:
        # What has just come or gone is not missing: only what stays so counts.
        await world.pause()
        recorded = _own_records(world, await world.read_spire_entries())
        ids = {entry.id for entry in await world.read_entries()}
        lost = sorted(set(lost) & set(_lost(recorded, ids)))
        unrecorded = sorted(set(unrecorded) & set(_unrecorded(recorded, ids, prefix)))
    return [_of_lost(lost, len(recorded)), _of_unrecorded(unrecorded, ids, prefix)]


def _own_records(world: World, objects: Iterable[SpireEntry]) -> list[SpireEntry]:
    return [obj for obj in objects if world.records.is_current(obj)]


def _lost(recorded: Iterable[SpireEntry], ids: set[str]) -> list[str]:
    """The names of records that say that their entry is set, while it is not there."""
    return sorted(
        obj.metadata.name
        for obj in recorded
        if obj.status.entry_id and _is_ready(obj) and obj.status.entry_id not in ids
    )


def _unrecorded(recorded: Iterable[SpireEntry], ids: set[str], prefix: str) -> list[str]:
    known = {obj.status.entry_id for obj in recorded}
    known |= {f"{prefix}.{obj.metadata.name}" for obj in recorded}
    return sorted(id_ for id_ in ids if is_ours(prefix, id_) and id_ not in known)


def _is_ready(obj: SpireEntry) -> bool:
    ready = find_condition(obj.status.conditions, "Ready")
    return ready is not None and ready.status == "True"


def _of_lost(lost: list[str], number: int) -> Finding:
    if not lost:
        return ok(LOST, f"each of {counted(number, 'record')} of ours has its entry on the server")
    return error(
        LOST,
        f"{counted(len(lost), 'record')} whose entry is not on the SPIRE server: {some(lost)}",
        meaning="the workloads that these SpireEntries speak of get no identity",
        remedy="a registrar that runs makes them anew within a drift interval: does one lead? Is "
        "this the server that it writes to?",
        runbook="a-workload-has-no-identity",
    )


def _of_unrecorded(unrecorded: list[str], ids: set[str], prefix: str) -> Finding:
    if not unrecorded:
        own = sum(is_ours(prefix, id_) for id_ in ids)
        return ok(UNRECORDED, f"each of {counted(own, 'entry', 'entries')} of ours is recorded")
    words = counted(len(unrecorded), "entry", "entries")
    return warning(
        UNRECORDED,
        f"{words} of ours that no SpireEntry records: {some(unrecorded)}",
        meaning="nothing in the cluster asks for them, or the registrar may not record",
        remedy="if no registrar runs with this configuration, they are what it left; else look "
        "at its log for deletions that are withheld or kept",
        runbook=_STAY,
    )


async def gone(world: World) -> list[Finding]:
    """Entries of ours that are for Pods which are not there any more."""
    prefix = (await world.prefixes()).current
    ours = _of_pods(await world.entries(), prefix)
    if not ours:
        return [ok(GONE, "no entry of ours selects a Pod by its uid")]
    left = ours.keys() - await world.read_pod_uids()
    if left:
        # An entry follows its Pod in a moment: only what stays so counts.
        await world.pause()
        ours = _of_pods(await world.read_entries(), prefix)
        left &= ours.keys() - await world.read_pod_uids()
    if not left:
        return [ok(GONE, f"each of {counted(len(ours), 'Pod')} that has an entry of ours is there")]
    named = sorted(spiffe_id for uid in left for spiffe_id in ours[uid])
    return [
        warning(
            GONE,
            f"{counted(len(named), 'entry', 'entries')} of ours for Pods that are gone: "
            f"{some(named)}",
            meaning="nobody can use them any more, but each agent of their parents keeps an SVID",
            remedy="does a registrar lead? If so, look at its log for deletions that are withheld "
            "or kept",
            runbook=_STAY,
        )
    ]


def _of_pods(entries: Iterable[types_pb2.Entry], prefix: str) -> dict[str, list[str]]:
    """The SPIFFE IDs of our entries, by the uid of the Pod that they select."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        if not is_ours(prefix, entry.id):
            continue
        for selector in entry.selectors:
            if selector.type == "k8s" and selector.value.startswith(_UID):
                name = f"spiffe://{entry.spiffe_id.trust_domain}{entry.spiffe_id.path}"
                found.setdefault(selector.value.removeprefix(_UID), []).append(name)
    return found


async def failing(world: World) -> list[Finding]:
    """What the records themselves say is wrong."""
    try:
        recorded = _own_records(world, await world.spire_entries())
    except NotFound:
        return [ok(FAILING, "SpireEntries are not installed, so nothing is recorded")]
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for obj in recorded:
        ready = find_condition(obj.status.conditions, "Ready")
        if ready is not None and ready.status == "False":
            reasons[ready.reason] += 1
            examples.setdefault(ready.reason, f"{obj.metadata.name}: {ready.message}")
    if not reasons:
        return [ok(FAILING, "no record of ours says that its entry failed")]
    return [
        error(
            FAILING,
            f"{counted(number, 'entry', 'entries')} not set: {reason} (such as {examples[reason]})",
            meaning="the workloads that they are for get no identity, or an old one",
            remedy="as the message says; kubectl get spentry shows all",
            runbook="a-workload-has-no-identity",
        )
        for reason, number in reasons.most_common()
    ]


async def others(world: World) -> list[Finding]:
    """Whose entries there are besides ours: other registrars' by their prefixes, and people's."""
    prefixes = await world.prefixes()
    seen: Counter[str] = Counter()
    foreign = 0
    for entry in await world.entries():
        prefix = _prefix_of(entry.id)
        if prefix == prefixes.current or is_ours(prefixes.current, entry.id):
            continue
        if prefix:
            seen[prefix] += 1
        else:
            foreign += 1
    found = [
        await _of_prefix(world, prefix, number)
        for prefix, number in seen.most_common(_MOST_PREFIXES)
    ]
    if len(seen) > _MOST_PREFIXES:
        rest = len(seen) - _MOST_PREFIXES
        found.append(ok(OTHERS, f"{counted(rest, 'more prefix', 'more prefixes')} not looked at"))
    if not seen:
        found.append(ok(OTHERS, "no other registrar has entries on this server"))
    if foreign:
        words = counted(foreign, "entry", "entries")
        found.append(
            ok(
                OTHERS,
                f"{words} that no registrar made",
                meaning="people or other tools made them; they are never touched",
            )
        )
    return found


def _prefix_of(id_: str) -> str:
    """The prefix of an ID that a registrar gives, ours or spire-controller-manager; else empty."""
    match = _REGISTRARS.fullmatch(id_) if is_a_registrars(id_) else _MANAGERS.fullmatch(id_)
    return "" if match is None else match[1]


async def _of_prefix(world: World, prefix: str, number: int) -> Finding:
    words = f"{counted(number, 'entry', 'entries')} with the prefix {prefix!r}"
    if not world.has_cluster:
        return ok(OTHERS, words, meaning="whose they are cannot be asked without a cluster")
    lease = await world.owner(prefix)
    held = None if lease is None else Holding(lease, (await world.time()).now())
    if held is not None and held.is_held:
        who = held.words or held.holder
        return ok(OTHERS, f"another registrar on this server: {words}, held by {who}")
    return warning(
        OTHERS,
        f"{words}, which nobody in this cluster holds",
        meaning="another cluster's registrar, spire-controller-manager, or one that no longer "
        "runs made them; in the last case they give identities for ever",
        remedy="find out whose the prefix is; if nobody's, delete these entries",
        runbook=_LEFT,
    )


async def clock(world: World) -> list[Finding]:
    """Whether the server gave an entry a time that has not come yet."""
    entries = await world.entries()
    newest = max((entry.created_at for entry in entries), default=0)
    now = (await world.time()).now().timestamp() if world.has_cluster else time.time()
    ahead = newest - now
    if ahead <= _SKEW_SECONDS:
        return [
            ok(
                CLOCK,
                "no entry of the SPIRE server is from the future",
                meaning="no call of its API tells its time: that it is not behind is not known",
            )
        ]
    return [
        warning(
            CLOCK,
            f"the SPIRE server's clock is at least {ahead:.0f} s ahead: its newest entry is from "
            "the future",
            meaning="the SVIDs that it signs may not be valid yet where they are shown",
            remedy="synchronise the clock of the server's Node (NTP)",
        )
    ]


def largest_parent(entries: Iterable[types_pb2.Entry]) -> int:
    """How many entries the parent with the most has."""
    parents = Counter((entry.parent_id.trust_domain, entry.parent_id.path) for entry in entries)
    return max(parents.values(), default=0)
