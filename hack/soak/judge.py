"""What is not right on the SPIRE server, by what people asked for.

It shares no code with the product. It compares whole worlds, and remembers nothing but which keys
an object has asked for so far.
"""

import dataclasses
from collections.abc import Iterable, Iterator

from hack.soak.asked import CLUSTER, Want, Wanted, World
from hack.soak.documents import generation_of, name_of, observed_generation_of
from hack.soak.spirelook import Attributes, Entry, Key, Relationship

FOREIGN_DOMAIN = "foreign.test"
"""With it somebody else federates, from the beginning to the end."""


@dataclasses.dataclass(slots=True)
class Ledger:
    """What is known of the past: the keys that each source has asked for since it was there.

    `settled` are the sources that had their entry when all was right, and have kept asking: they
    must never be without one.
    """

    history: dict[str, set[Key]] = dataclasses.field(default_factory=dict)
    settled: dict[str, set[Key]] = dataclasses.field(default_factory=dict)
    surroundings: dict[str, str] = dataclasses.field(default_factory=dict)
    """Of each source, by the beginning of its name, when it could be read last."""

    def note(self, wanted: Wanted) -> None:
        """Take in a world: who asks for something else, and who asks no more."""
        keys: dict[str, set[Key]] = {}
        for want in wanted.wants:
            keys.setdefault(want.source, set()).add(want.key)
        for source in {*self.history, *self.settled}:
            if source not in keys and not wanted.is_doubtful(source):
                self.history.pop(source, None)
                self.settled.pop(source, None)
        self._forget_moved(wanted)
        if not wanted.surroundings:
            # Pods and Nodes were read, and told: one that is gone is owed nothing, though its entry
            # may stay while its object cannot be read.
            for source in self.settled.keys() - keys.keys():
                if source.startswith(("pod/", "node/")):
                    del self.settled[source]
        for source, found in keys.items():
            self.history.setdefault(source, set()).update(found)
            if source in self.settled:
                self.settled[source] |= found

    def _forget_moved(self, wanted: Wanted) -> None:
        """What cannot be read may ask for something else by now, if what is around it changed."""
        for start, now in wanted.surroundings.items():
            if start not in wanted.unreadable:
                self.surroundings[start] = now
            elif self.surroundings.get(start) != now:
                for source in [each for each in self.settled if each.startswith(start)]:
                    del self.settled[source]

    def settle(self, wanted: Wanted) -> None:
        """All is right now: what was asked for before counts no more."""
        self.note(wanted)
        for want in wanted.wants:
            self.history[want.source] = {want.key}
            self.settled[want.source] = {want.key}

    def suspend(self) -> None:
        """Somebody else took entries away: nothing is owed until all is right again."""
        self.settled.clear()

    def lost(self, entries: Iterable[Entry]) -> list[str]:
        """Return the sources that have none of the entries which they may have."""
        there = {entry.key for entry in entries}
        return [
            f"{source}: no entry, though it should have one of {', '.join(map(str, keys))}"
            for source, keys in self.settled.items()
            if not keys & there
        ]


def faults(
    world: World,
    wanted: Wanted,
    ledger: Ledger,
    entries: list[Entry],
    relationships: dict[str, Relationship],
) -> list[str]:
    """Return what is not right, in words; nothing where all is."""
    found = list(_wrong_entries(world, wanted, ledger, entries))
    found += _wrong_records(world, wanted, entries)
    found += _old_statuses(world)
    found += ledger.lost(entries)
    for domain, relationship in wanted.relationships.items():
        if relationships.get(domain) != relationship:
            found.append(f"relationship {relationship} is {relationships.get(domain)}")
    for domain in relationships.keys() - wanted.relationships.keys() - {FOREIGN_DOMAIN}:
        if "federation/" not in wanted.unreadable:
            found.append(f"relationship with {domain} is left, nobody asks for it")
    if FOREIGN_DOMAIN not in relationships:
        found.append(f"the relationship with {FOREIGN_DOMAIN}, which is not ours, is lost")
    return found


def _wrong_entries(
    world: World, wanted: Wanted, ledger: Ledger, entries: list[Entry]
) -> Iterator[str]:
    theirs = [entry for entry in entries if entry.id not in world.foreign]
    by_key: dict[Key, list[Want]] = {}
    for want in wanted.wants:
        by_key.setdefault(want.key, []).append(want)
    asking = {want.source for want in wanted.wants}
    kept = {
        key
        for source, keys in ledger.history.items()
        if wanted.is_doubtful(source) and source not in asking
        for key in keys
    }
    there: set[Key] = set()
    for entry in theirs:
        if entry.key in there:
            yield f"there are two entries for {entry.key}"
        there.add(entry.key)
        if entry.key in kept:
            continue
        if entry.key not in by_key and _may_be_held(world, wanted, entry):
            continue
        if entry.key not in by_key:
            yield f"nobody asks for the entry {entry.id}: {entry.key}"
        elif entry.attributes not in (right := right_attributes(by_key[entry.key])):
            yield f"{entry.key} has {entry.attributes}, not {' or '.join(map(str, right))}"
        if not entry.id.startswith(f"{CLUSTER}-"):
            yield f"the entry {entry.id} has not our prefix"
    for key in by_key.keys() - there:
        yield f"{by_key[key][0].source}: no entry {key}"


def _may_be_held(world: World, wanted: Wanted, entry: Entry) -> bool:
    """Whether an entry may be for an object that is wrong: nothing tells whose it is.

    A SpireEntry would tell, but somebody may have deleted that. Without a cluster there is none.
    """
    if world.is_partial:
        return True
    is_recorded = entry.id.partition(".")[2] in map(name_of, world.objects.get("records") or [])
    return bool(wanted.doubtful) and not is_recorded


def _wrong_records(world: World, wanted: Wanted, entries: list[Entry]) -> Iterator[str]:
    """Each entry with our prefix has a SpireEntry of its name, and each SpireEntry an entry."""
    records = world.objects.get("records")
    if records is None:
        return
    there = {name_of(record) for record in records}
    owed = {entry.id.partition(".")[2] for entry in entries if entry.id not in world.foreign}
    for name in () if wanted.doubtful else owed - there:
        yield f"the entry of the name {name} has no SpireEntry"
    for name in there - owed:
        yield f"the SpireEntry {name} is left without an entry"


def _old_statuses(world: World) -> Iterator[str]:
    """What an object says of itself is of its last edit."""
    for kind in ("clusterspiffeids", "spiffeids", "templates", "static", "federation"):
        for obj in world.objects.get(kind) or []:
            wanted, told = generation_of(obj), observed_generation_of(obj)
            if wanted and told != wanted:
                yield f"{kind} {name_of(obj)} tells of generation {told}, not of {wanted}"


def right_attributes(wants: list[Want]) -> list[Attributes]:
    """Return those of the oldest; of all the oldest where times tell no difference."""
    oldest = min(want.age for want in wants)
    return [want.attributes for want in wants if want.age == oldest]
