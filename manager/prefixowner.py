"""Who owns the prefix of our entry IDs: one registrar at a time, whatever its own Lease is called.

Whatever has our prefix and is claimed by nobody here is deleted, so two registrars with one
prefix would destroy each other's entries. The owner is recorded in a Lease that is named by the
prefix, where every registrar of the cluster sees it. A second one writes nothing and says who
holds it; it takes over when that one stops, or has not renewed the Lease in time.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from api.core import Lease
from api.kinds import LEASE
from api.meta import ObjectKey
from controllers.ports import Events, Kubernetes, reference
from manager.names import OWNERS_NAMESPACE
from registrar.claims.ownership import PREFIX_HELD, owner_lease
from registrar.ending import Ending
from registrar.kube.client import KubeClient
from registrar.kube.errors import NotFound
from registrar.kube.leader import Beside, LeaderElector
from registrar.settings.model import LeaderElection, Settings
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

HELD_BY_ANNOTATION = "spiffeid.spiffe.io/held-by"
"""On the Lease: the mode and class of the holder, and how it was chosen among its replicas."""

_GONE_LEASES = 4
"""So many times as long as a Lease lasts its holder may be late, by another's clock."""

_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
_POD_OF_DEPLOYMENT = re.compile(f"(.+)-{_RANDOM}{{1,10}}-{_RANDOM}{{5}}")


_IN_NAMESPACE = re.compile(r"Lease ([^/\s]+)/|in namespace (\S+)$")
"""How ``described`` says where somebody is."""


def described(settings: Settings, *, lease: ObjectKey | None, namespace: str) -> str:
    """Who this registrar is, the same for all its replicas and for nobody else.

    ``lease`` is the one that its replicas compete for, None without leader election.
    """
    who = f"{settings.mode} mode"
    if settings.class_name:
        who = f"{who}, class {settings.class_name}"
    if lease is not None:
        return f"{who}, leader by the Lease {lease}"
    where = f" in namespace {namespace}" if namespace else ""
    return f"{who}, {'all replicas' if all_work(settings) else 'without leader election'}{where}"


def all_work(settings: Settings) -> bool:
    """Whether all replicas work at the same time, on what each of them hears: in webhook mode."""
    return settings.mode == "webhook" and settings.leader_election is None


def is_rolled(ours: str, other: str) -> bool:
    """Whether two host names are those of Pods of one Deployment, the old one and the new."""
    found = [_POD_OF_DEPLOYMENT.fullmatch(name) for name in (ours, other)]
    names = {match[1] for match in found if match is not None}
    return ours != other and all(found) and len(names) == 1


class PrefixOwner:
    """Holds the prefix for one process; ``run`` works while it does.

    ``me`` is what ``described`` says. ``leads`` tells whether this process is the one of its
    replicas that works: one with the same words that held the prefix before is known to have
    stopped then, and need not be waited for. Without an ``identity`` all replicas hold it.
    """

    def __init__(  # noqa: PLR0913 - who it is, what it asks, and whom it tells
        self,
        client: KubeClient,
        *,
        prefix: str,
        me: str,
        identity: str,
        election: LeaderElection | None,
        leads: Callable[[], bool],
        events: Events,
        ending: Ending | None = None,
    ) -> None:
        self._prefix = prefix
        self._me = me
        self._host = _host(identity)
        self._has_replicas = election is not None
        self._leads = leads
        self._events = events
        self._other: Lease | None = None
        self._key = ObjectKey(OWNERS_NAMESPACE, owner_lease(prefix))
        timing = election or LeaderElection(None, "")
        self._elector = LeaderElector(
            client,
            namespace=self._key.namespace,
            name=self._key.name,
            identity=identity or me,
            lease_seconds=timing.lease_seconds,
            renew_deadline_seconds=timing.renew_deadline_seconds,
            retry_seconds=timing.retry_seconds,
            observer=self,
            ending=ending,
            beside=Beside(
                annotations={HELD_BY_ANNOTATION: me},
                succeeds=self._succeeds,
                goes_on=True,
                stands_back=self._is_of_others,
                waits=self._wait,
                is_shared=not identity,
                # An API server that is away takes the prefix from nobody.
                is_patient=True,
            ),
        )

    def may_write(self) -> bool:
        """Whether the prefix is ours now; False by the clock alone, even after a stall."""
        return self._elector.is_leader()

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait while the prefix is another's, then work, once. Raises LeadershipLost.

        While the Lease cannot be renewed in time ``may_write`` says no, and the work goes on;
        it is cancelled once another is seen to have had the Lease since.
        """
        await self._elector.run(work)

    async def tried(self) -> None:
        """Wait until it is known whether the prefix can be had at once."""
        await self._elector.tried.wait()

    @property
    def state(self) -> str:
        """How the prefix is had, one of the metric's states; empty for none of them."""
        if self._elector.is_leader():
            return "unrecorded" if self._elector.is_unrecorded else "held"
        return "held-by-another" if self.holder() else ""

    def holder(self) -> str:
        """Who else holds the prefix, in words; empty for nobody, or for whom this one replaces."""
        if self._other is None or self._is_replaced(self._other):
            return ""
        identity, words = self._other.spec.holder_identity, _words(self._other)
        return words if identity == words else f"{identity} ({words or 'of an unknown mode'})"

    def refusal(self) -> str:
        """Why nothing is done for our objects; empty where the holder may handle them too.

        That is one of our own mode, and one that does not say what it is.
        """
        holder = "" if self._other is None or self.may_write() else _words(self._other)
        if not holder or _mode(holder) == _mode(self._me):
            return ""
        # Not which Pod it is: that changes more often than objects need to be written.
        return refusal(self._prefix, holder)

    def problem(self) -> str | None:
        """None when it is ours, or this is a replica that takes over, else why not."""
        if self._elector.is_leader():
            return None
        holder, error = self.holder(), self._elector.last_error
        if holder:
            said = refusal(self._prefix, holder)
            gone = f"; if it is gone, delete the Lease {self._key}: {error}"
            return said + gone if error else said
        if self._other is not None:
            return None
        return f"waiting for the Lease {self._key}" + (f": {error}" if error else "")

    def is_waiting(self) -> bool:
        """Whether another holds the prefix."""
        return self._other is not None and not self._elector.is_leader()

    def leading(self, *, leads: bool) -> None:
        """The prefix is ours, or no more."""
        if leads and self._other is not None:
            log.info("the prefix is ours now", extra=kv(prefix=self._prefix))
            self._other = None

    def _succeeds(self, lease: Lease) -> bool:
        return self._has_replicas and _words(lease) == self._me and self._leads()

    def _is_of_others(self, lease: Lease) -> bool:
        """Whether the holder is no replica of ours: without rights nobody sees that it stopped."""
        return _words(lease) != self._me

    def _is_replaced(self, lease: Lease) -> bool:
        """Whether the holder is a Pod of our own Deployment, which ends once this one is ready."""
        is_same = not self._has_replicas and _words(lease) == self._me
        return is_same and is_rolled(self._host, _host(lease.spec.holder_identity or ""))

    def _wait(self, lease: Lease) -> None:
        """Say once of each holder that it is another."""
        known, self._other = self._other, lease
        if known is not None and known.spec.holder_identity == lease.spec.holder_identity:
            return
        holder = self.holder()
        if not holder:
            log.info("waits for the Pod that this one replaces", extra=kv(prefix=self._prefix))
            return
        log.error(
            "another registrar holds our prefix: nothing is written",
            extra=kv(prefix=self._prefix, holder=holder, lease=str(self._key)),
        )
        self._events.emit(
            reference(LEASE, lease),
            type="Warning",
            reason=PREFIX_HELD,
            message=f"{self._me}: {refusal(self._prefix, holder)}",
        )


async def holder_of(client: Kubernetes, *, prefix: str, now: datetime) -> str:
    """Who holds a prefix, as ``described`` says it; empty where nobody does.

    Raises KubeError.
    """
    return await holder_in(client, ObjectKey(OWNERS_NAMESPACE, owner_lease(prefix)), now=now)


async def holder_in(client: Kubernetes, key: ObjectKey, *, now: datetime) -> str:
    """Who holds a Lease; empty where nobody does, or it is not there.

    A holder that has not renewed its Lease for long is gone. Raises KubeError.
    """
    try:
        lease = await client.get(LEASE, key)
    except NotFound:
        return ""
    spec = lease.spec
    if not spec.holder_identity:
        return ""
    try:
        age = now - datetime.fromisoformat(spec.renew_time or "")
    except ValueError:
        return ""
    if age.total_seconds() > _GONE_LEASES * (spec.lease_duration_seconds or 0):
        return ""
    return _words(lease) or spec.holder_identity


def namespace_in(holder: str) -> str:
    """The namespace that a holder is said to be in; empty where nothing is said of it."""
    found = _IN_NAMESPACE.search(holder)
    return "" if found is None else found[1] or found[2]


def _host(identity: str) -> str:
    """The name of the host, of an identity as processes give themselves one."""
    return identity.rpartition("_")[0]


def _words(lease: Lease) -> str:
    return lease.metadata.annotations.get(HELD_BY_ANNOTATION, "")


def _mode(words: str) -> str:
    """The mode, of what ``described`` says."""
    return words.partition(", ")[0]


def refusal(prefix: str, holder: str) -> str:
    """What a registrar says that finds the prefix held."""
    return (
        f"the prefix {prefix!r} is held by {holder}, so nothing is written: stop one of the two, "
        "or give it a class name or a prefix of its own"
    )
