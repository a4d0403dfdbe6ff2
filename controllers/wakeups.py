"""How a reconciler tells another one that a key has work: by name, never by knowing it.

Each name is served by the queue of one source. The runtime connects them at the start and
refuses to run while one of them leads nowhere, so that no trigger can be lost in silence.
"""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from api.meta import ObjectKey
from registrar.claims.claim import Claimant
from registrar.identity.entry import EntryKey

K = TypeVar("K")


class WiringError(RuntimeError):
    """A fault of the program: a wake-up that no source serves, or that two serve."""


class Wake(Generic[K]):
    """One kind of wake-up. Call it with a key; whoever serves it will look at the key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._add: Callable[[K], None] | None = None

    def __call__(self, key: K) -> None:
        """Let the key be looked at. Raises WiringError where nobody serves this wake-up."""
        if self._add is None:
            raise WiringError(f"nobody serves the wake-up {self.name!r}")
        self._add(key)

    @property
    def is_served(self) -> bool:
        """Whether somebody serves it."""
        return self._add is not None

    def serve(self, add: Callable[[K], None]) -> None:
        """Give the keys to ``add`` from now on. Raises WiringError if somebody has them."""
        if self._add is not None:
            raise WiringError(f"two sources serve the wake-up {self.name!r}")
        self._add = add


class StatusWake:
    """The wake-up of statuses: each kind of object has a source of its own that writes them."""

    def __init__(self) -> None:
        self._adds: dict[str, Callable[[ObjectKey], None]] = {}
        self._without: frozenset[str] = frozenset()

    def __call__(self, source: Claimant) -> None:
        """Let an object's status be looked at. Raises WiringError for a kind nobody spoke of."""
        add = self._adds.get(source.kind)
        if add is not None:
            add(ObjectKey(source.namespace, source.name))
        elif source.kind not in self._without:
            raise WiringError(f"nobody serves the statuses of {source.kind}")

    def of(self, kind: str) -> "StatusOf":
        """The wake-up of the statuses of one kind, for the source that writes them."""
        return StatusOf(kind, self._adds)

    def unserved(self, kinds: Collection[str]) -> set[str]:
        """Those of the kinds whose statuses nobody writes, and that are not left out."""
        return set(kinds) - self._adds.keys() - self._without

    def leave_out(self, kinds: Collection[str]) -> None:
        """Objects of these kinds show no status that we write."""
        self._without |= frozenset(kinds)


class StatusOf:
    """The wake-up of the statuses of one kind."""

    def __init__(self, kind: str, adds: dict[str, Callable[[ObjectKey], None]]) -> None:
        self._kind = kind
        self._adds = adds

    def serve(self, add: Callable[[ObjectKey], None]) -> None:
        """Give the objects' keys to ``add``. Raises WiringError if somebody has them already."""
        if self._kind in self._adds:
            raise WiringError(f"two sources serve the statuses of {self._kind}")
        self._adds[self._kind] = add


class Wakeups:
    """All wake-ups of a registrar."""

    def __init__(self) -> None:
        self.entry: Wake[EntryKey] = Wake("entry")
        """A key may differ from what the SPIRE server holds."""
        self.release: Wake[EntryKey] = Wake("release")
        """Nobody may claim the key any more."""
        self.record: Wake[str] = Wake("record")
        """A SpireEntry, by name, may differ from what is recorded."""
        self.pod: Wake[ObjectKey] = Wake("pod")
        """A Pod may want another identity."""
        self.node: Wake[str] = Wake("node")
        """A Node, by name, may want another entry."""
        self.made: Wake[Claimant] = Wake("made")
        """What is made for a Pod or Node may need to be written or deleted."""
        self.released: Wake[EntryKey] = Wake("released")
        """The SPIRE server holds the entry of a key no more."""
        self.trust_domain: Wake[str] = Wake("trust_domain")
        """A trust domain may need another federation relationship."""
        self.bundle: Wake[str] = Wake("bundle")
        """The SPIRE server may be able to fetch another bundle of a trust domain."""
        self.status = StatusWake()
        """An object may need another status."""

    def check(self, *, unused: Collection[str], kinds: Collection[str] = ()) -> None:
        """Make sure that every wake-up is served, but those that the mode has no use for.

        Those lead nowhere from now on. Raises WiringError for any other that nobody serves, for
        one that is called unused and is served, and for one of the ``kinds`` whose statuses
        nobody writes.
        """
        unserved, expected = self.unserved(), set(unused)
        if unserved != expected:
            missing, served = sorted(unserved - expected), sorted(expected - unserved)
            raise WiringError(f"no source serves {missing}; served although unused: {served}")
        silent = sorted(self.status.unserved(kinds))
        if silent:
            raise WiringError(f"no source writes the statuses of {silent}")
        for wake in self._all():
            if not wake.is_served:
                wake.serve(_nowhere)

    def unserved(self) -> set[str]:
        """The names of the wake-ups that nobody serves."""
        return {wake.name for wake in self._all() if not wake.is_served}

    def _all(self) -> tuple[Wake[ObjectKey] | Wake[EntryKey] | Wake[Claimant] | Wake[str], ...]:
        return (
            *(self.entry, self.release, self.released, self.record),
            *(self.pod, self.node, self.made, self.trust_domain, self.bundle),
        )


def _nowhere(_: object) -> None:
    """Stand where the mode has no such keys."""
