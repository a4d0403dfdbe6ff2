"""Which trust domains an entry can federate with now, and which it waits for.

A SPIRE server refuses an entry that names a trust domain whose bundle it does
not hold. One peer that cannot be reached must not cost a workload its
identity, so the entry is set without that domain and completed later.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from api.meta import Condition
from registrar.claims.relation import Relation
from registrar.identity.entry import EntryKey

FEDERATION_PENDING = "FederationPending"
"""Type of the condition, and reason of the Event."""


@dataclass(frozen=True, slots=True)
class Federation:
    """``domains`` can be set now; ``pending`` are asked for and not known to the server yet."""

    domains: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


NONE = Federation()


def is_pattern(wanted: str) -> bool:
    """Whether it stands for several trust domains, such as ``*`` or ``*.example.org``."""
    return "*" in wanted


def matches(pattern: str, domain: str) -> bool:
    """Whether ``*`` in the pattern, standing for any characters, makes it the domain.

    Whoever creates Pods writes patterns, so this takes linear time whatever stands in them:
    each text between two stars is searched once, from where the one before it ended.
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern == domain
    *middle, last = others
    place, end = len(first), len(domain) - len(last)
    if place > end or not domain.startswith(first) or not domain.endswith(last):
        return False
    for part in middle:
        found = domain.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def resolve(wanted: Collection[str], known: Collection[str] | None) -> Federation:
    """Split what is asked for by what the server knows.

    ``known`` None: that could not be asked yet, so all plain names are tried.
    """
    if not wanted:
        return NONE
    plain = {name for name in wanted if not is_pattern(name)}
    if known is None:
        return Federation(tuple(sorted(plain)))
    patterns = [name for name in wanted if is_pattern(name)]
    found = {domain for domain in known if any(matches(p, domain) for p in patterns)}
    pending = {name for name in plain if name not in known}
    return Federation(tuple(sorted(found | (plain - pending))), tuple(sorted(pending)))


def pending_message(domains: Collection[str]) -> str:
    """What a condition or Event says of an entry that waits for those domains."""
    names = ", ".join(domains)
    return (
        f"the SPIRE server holds no bundle of {names}: the entry is set without, and completed "
        "as soon as the bundle is there; create the federation relationship or see why it fails"
    )


def pending_condition(domains: Collection[str], now: str) -> tuple[Condition, ...]:
    """The condition of an object whose entry waits for those domains; none for none."""
    if not domains:
        return ()
    return (
        Condition(
            type=FEDERATION_PENDING,
            status="True",
            reason="BundleMissing",
            message=pending_message(domains),
            last_transition_time=now,
        ),
    )


def began_waiting(before: Iterable[Condition], after: Iterable[Condition]) -> str:
    """What an Event says when an entry begins to wait, or for other domains; else empty."""
    old = next((c.message for c in before if c.type == FEDERATION_PENDING), "")
    new = next((c.message for c in after if c.type == FEDERATION_PENDING), "")
    return "" if new == old else new


class Federating:
    """Which keys ask for which trust domains, so that a new bundle wakes just those."""

    def __init__(self) -> None:
        self._wanted: Relation[EntryKey, str] = Relation()

    def note(self, key: EntryKey, wanted: Iterable[str]) -> None:
        """Remember what the key asks for; nothing forgets it."""
        self._wanted.set(key, wanted)

    def touched(self, domains: Iterable[str]) -> set[EntryKey]:
        """The keys that ask for one of the domains, by name or by a pattern."""
        found: set[EntryKey] = set()
        for domain in domains:
            for wanted in self._wanted.values():
                if wanted == domain or (is_pattern(wanted) and matches(wanted, domain)):
                    found.update(self._wanted.keys_of(wanted))
        return found
