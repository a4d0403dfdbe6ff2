"""What a registrar left behind, found by the product's own rule of what is whose, and taken away.

An entry goes only if its ID is one that a registrar with that prefix gives, or an earlier version
of it and a record says so. What was adopted keeps the ID that somebody else gave it, and stays.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from api.codec import DecodeError, decode
from api.core import Lease
from api.kinds import LEASE, SPIRE_ENTRY
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from manager.modes.choice import mode_of
from manager.names import OWNERS_NAMESPACE
from manager.prefixowner import holder_in, holder_of
from manager.side import ownership_of, prefixes_of, records_of
from registrar.claims.instance import recorded_ids
from registrar.claims.ownership import (
    Ownership,
    Prefixes,
    check_prefix,
    entry_id,
    is_join_token,
    is_ours,
    owner_lease,
    static_prefixes,
)
from registrar.identity.entry import Entry
from registrar.kube.client import KubeClient
from registrar.kube.errors import KubeError, NotFound
from registrar.settings.model import Settings
from registrar.spire.convert import from_proto
from registrar.spire.entries import EntryClient
from registrar.spire.errors import NotFound as NoEntry

_BATCH = 100
_PAGE = 500


class Refused(Exception):  # noqa: N818 - it is no fault of the program
    """Something speaks against it; says what."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose remains are meant. ``leader`` is the Lease of its replicas, where it is known."""

    prefix: str
    owns: Ownership
    is_record: Callable[[SpireEntry], bool]
    leader: ObjectKey | None = None

    @property
    def owner(self) -> ObjectKey:
        """The Lease that says who has the prefix."""
        return ObjectKey(OWNERS_NAMESPACE, owner_lease(self.prefix))


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of it. ``adopted`` are entries of others that its records name: they stay."""

    entries: Sequence[Entry]
    records: Sequence[SpireEntry]
    leases: Sequence[Lease]
    foreign: int
    adopted: int

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to take away."""
        return not (self.entries or self.records or self.leases)


def whose_prefix(prefix: str) -> Whose:
    """By a prefix alone. Raises InvalidField for one that no registrar can have."""
    check_prefix(prefix)

    def is_record(obj: SpireEntry) -> bool:
        return is_ours(prefix, obj.status.entry_id)

    return Whose(prefix, Ownership(prefix), is_record)


async def whose_configuration(
    settings: Settings, kube: KubeClient | None, *, namespace: str
) -> Whose:
    """By a configuration, as a registrar with it would tell. Raises InvalidField and KubeError."""
    election = settings.leader_election
    if settings.mode == "static" or kube is None:
        named = settings.entry_id_prefix
        prefix = named or static_prefixes(settings.cluster, settings.class_name).current
        return whose_prefix(prefix)
    if settings.entry_id_prefix is not None:
        check_prefix(settings.entry_id_prefix)
    mode = mode_of(settings, namespace=namespace)
    records, prefixes = records_of(settings, mode), await prefixes_of(settings, kube)
    stored = [obj async for obj in _spire_entries(kube)]
    # What another prefix of the configuration would let go may be of people: it stays here.
    owns = replace(
        ownership_of(settings, mode, records, Prefixes(prefixes.current, prefixes.former)),
        recorded=recorded_ids(stored, records, prefixes.former),
        # So may be what looks like the original controller manager's: it may be that one's still.
        with_uuids=False,
        cleanup=None,
    )
    leader = None
    if election is not None and (election.namespace or namespace):
        leader = ObjectKey(election.namespace or namespace, election.name)
    return Whose(prefixes.current, owns, records.is_own, leader)


async def alive(whose: Whose, kube: KubeClient | None) -> str:
    """Who works with the prefix now, or why that cannot be told; empty where nobody does."""
    if kube is None:
        return "without a cluster there is no Lease, so nobody can tell whether a registrar runs"
    now = datetime.now(UTC)
    try:
        holder = await holder_of(kube, prefix=whose.prefix, now=now)
        if holder:
            return f"a registrar runs with the prefix {whose.prefix!r}: {holder}"
        # It may be the tool's that was here before, which has no Lease for a prefix.
        leader = whose.leader and await holder_in(kube, whose.leader, now=now)
        if leader:
            return f"the Lease {whose.leader} is held: {leader}"
        if await _lease(kube, whose.owner) is None:
            return (
                f"no registrar of this cluster has a Lease for the prefix {whose.prefix!r}, so "
                "nobody can tell whether one runs, as in another cluster or without one"
            )
    except KubeError as error:
        return f"whether a registrar runs with the prefix cannot be read: {error}"
    return ""


async def look(
    whose: Whose, spire: EntryClient, kube: KubeClient | None, *, with_records: bool
) -> Remains:
    """What there is of it. Raises SpireError and KubeError."""
    own: list[Entry] = []
    ids: set[str] = set()
    async for page in spire.pages():
        for message in page:
            ids.add(message.id)
            if whose.owns(message.id):
                entry = from_proto(message)
                # An alias of an agent is SPIRE's own, whatever its ID.
                own += [] if is_join_token(entry.key) else [entry]
    records: list[SpireEntry] = []
    leases: list[Lease] = []
    if kube is not None:
        records = [obj async for obj in _spire_entries(kube) if _is_of(obj, whose, ids)]
        if with_records:
            wanted = [key for key in (whose.owner, whose.leader) if key is not None]
            leases = [found for key in wanted if (found := await _lease(kube, key)) is not None]
    named = {obj.status.entry_id for obj in records if obj.status.entry_id}
    return Remains(
        entries=own,
        records=records if with_records else (),
        leases=leases,
        foreign=len(ids) - len(own),
        adopted=len((named & ids) - {entry.id for entry in own}),
    )


async def remove(
    whose: Whose,
    remains: Remains,
    spire: EntryClient,
    kube: KubeClient | None,
    *,
    is_forced: bool,
) -> list[str]:
    """Take it away; gives what failed, in words. Raises Refused, SpireError and KubeError.

    What is there no more is not missed; what somebody has made anew since it was looked at stays,
    as does a Lease that somebody has taken since, unless forced, and is a KubeError. Each batch
    asks again whether a registrar has come.
    """
    now = await look(whose, spire, None, with_records=False)
    there = {entry.id for entry in now.entries}
    failed: list[str] = []
    for batch in _batches([entry.id for entry in remains.entries if entry.id in there]):
        why = "" if is_forced else await alive(whose, kube)
        if why:
            raise Refused(why)
        for id_, error in zip(batch, await spire.delete(batch), strict=True):
            if error is not None and not isinstance(error, NoEntry):
                failed.append(f"entry {id_}: {error.message}")
    if kube is None or failed:
        # The records tell whose the entries are that are left.
        return failed
    why = "" if is_forced or not (remains.records or remains.leases) else await alive(whose, kube)
    if why:
        raise Refused(why)
    await _remove_from_cluster(remains, kube, is_forced=is_forced)
    return failed


async def _remove_from_cluster(remains: Remains, kube: KubeClient, *, is_forced: bool) -> None:
    for record in remains.records:
        with suppress(NotFound):
            await kube.delete(SPIRE_ENTRY, record.key, uid=record.metadata.uid)
    for lease in remains.leases:
        with suppress(NotFound):
            # Who takes a Lease patches the one that there is, which keeps its uid.
            version = "" if is_forced else lease.metadata.resource_version
            await kube.delete(LEASE, lease.key, uid=lease.metadata.uid, resource_version=version)


def _is_of(obj: SpireEntry, whose: Whose, ids: Iterable[str]) -> bool:
    return whose.is_record(obj) or entry_id(whose.prefix, obj.metadata.name) in ids


async def _lease(kube: KubeClient, key: ObjectKey) -> Lease | None:
    try:
        return await kube.get(LEASE, key)
    except NotFound:
        return None


async def _spire_entries(kube: KubeClient) -> AsyncIterator[SpireEntry]:
    """All that decode; none where the kind is not installed. Raises KubeError."""
    token = ""
    while True:
        try:
            page = await kube.page(SPIRE_ENTRY, limit=_PAGE, continue_token=token)
        except NotFound:
            return
        for item in page.items:
            try:
                yield decode(item, SpireEntry)
            except DecodeError:
                continue
        token = page.continue_token
        if not token:
            return


def _batches(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[place : place + _BATCH] for place in range(0, len(ids), _BATCH)]
