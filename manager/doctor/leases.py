"""Who leads, and who has the prefix of our entry IDs; both by the API server's clock."""

from datetime import datetime, timedelta

from api.core import Lease
from api.meta import ObjectKey
from manager.doctor.finding import Finding, error, ok, warning
from manager.doctor.world import World
from manager.names import OWNERS_NAMESPACE
from manager.prefixowner import HELD_BY_ANNOTATION
from registrar.claims.ownership import owner_lease

LEADER, PREFIX = "leader", "prefix"
_HELD = "another-registrar-holds-the-prefix"
_AWAY = "the-spire-server-is-not-reached-or-the-wrong-replica-leads"
_DEFAULT_SECONDS = 15
_AHEAD = timedelta(seconds=5)


class Holding:
    """A Lease as it is held at a moment."""

    def __init__(self, lease: Lease, now: datetime) -> None:
        spec = lease.spec
        self.holder = spec.holder_identity or ""
        self.words = lease.metadata.annotations.get(HELD_BY_ANNOTATION, "")
        self.transitions = spec.lease_transitions or 0
        renewed = _parsed(spec.renew_time)
        self.age = None if renewed is None else now - renewed
        valid = timedelta(seconds=spec.lease_duration_seconds or _DEFAULT_SECONDS)
        self.is_held = bool(self.holder) and self.age is not None and self.age <= valid
        self.is_from_the_future = self.age is not None and self.age < -_AHEAD

    @property
    def renewed(self) -> str:
        """When it was renewed, in words."""
        if self.age is None:
            return "never renewed"
        return f"renewed {max(self.age.total_seconds(), 0):.0f} s ago"

    @property
    def pod(self) -> str:
        """The host name of the holder, which is a Pod's name in a cluster."""
        return self.holder.rpartition("_")[0]


def _parsed(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def leader_lease(world: World) -> ObjectKey | None:
    """The Lease that replicas compete for; None without leader election."""
    election = world.settings.leader_election
    if election is None:
        return None
    return ObjectKey(election.namespace or world.namespace, election.name)


async def holding(world: World, key: ObjectKey) -> Holding | None:
    """How a Lease is held now; None where there is none. Raises KubeError."""
    lease = await world.lease(key)
    return None if lease is None else Holding(lease, (await world.time()).now())


async def leader(world: World) -> list[Finding]:
    """Whether some replica leads, and renews its Lease."""
    key = leader_lease(world)
    if key is None:
        return [ok(LEADER, "leader election is off: every process writes")]
    if not key.namespace:
        return [
            warning(
                LEADER,
                "which Lease the replicas compete for is not known",
                meaning="it lies in the namespace of the registrar, and this is not run there",
                remedy="name it by --leader-election-namespace, or set MY_POD_NAMESPACE",
            )
        ]
    held = await holding(world, key)
    if held is None or not held.is_held:
        words = "nobody" if held is None or not held.holder else f"{held.holder}, {held.renewed}"
        return [
            error(
                LEADER,
                f"no replica leads by the Lease {key}: {words}",
                meaning="no registrar writes: new Pods get no identity, what is there stays",
                remedy="is a registrar running, and what does its /readyz?verbose say?",
                runbook=_AWAY,
            )
        ]
    if held.is_from_the_future:
        return [
            warning(
                LEADER,
                f"{held.holder} leads by the Lease {key}, and renewed it in the future",
                meaning="its clock is ahead of the API server's",
                remedy="synchronise the clock of its Node (NTP)",
            )
        ]
    return [ok(LEADER, f"{held.holder} leads by the Lease {key}, {held.renewed}")]


async def prefix(world: World) -> list[Finding]:
    """Whether the prefix of our entry IDs is ours alone."""
    ours = (await world.prefixes()).current
    key = ObjectKey(OWNERS_NAMESPACE, owner_lease(ours))
    held = await holding(world, key)
    if held is None or not held.is_held:
        return [
            warning(
                PREFIX,
                f"nobody holds the prefix {ours!r} (Lease {key})",
                meaning="no registrar with this configuration works now, or it may not write that "
                "Lease, and then nobody keeps a second one from the prefix",
                remedy=f"is one running? Give it the Role of the manifests in {OWNERS_NAMESPACE}",
                runbook=_HELD,
            )
        ]
    mode = held.words.partition(" mode")[0]
    if mode and mode != world.settings.mode:
        return [
            error(
                PREFIX,
                f"the prefix {ours!r} is held by {held.holder} ({held.words})",
                meaning="a registrar of another mode has it, so one with this configuration "
                "writes nothing",
                remedy="stop one of the two, or give it a class name or a prefix of its own",
                runbook=_HELD,
            )
        ]
    return [ok(PREFIX, f"the prefix {ours!r} is held by {held.holder}, {held.renewed}")]
