"""ClusterFederatedTrustDomain: one trust domain at a time, its relationship and the statuses.

The key is the trust domain: several objects may name it, and the oldest counts.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable

from api.codec import merge_diff, to_json
from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.meta import find_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.pace import Pace
from controllers.ports import Bundles, Events, Federation, Kubernetes, TrustDomains, reference
from registrar.claims.claim import Problem
from registrar.claims.federatedtrustdomain import (
    READY,
    Wanted,
    bare,
    conflict,
    oldest_first,
    status_of,
    wanted_by,
)
from registrar.errors import InvalidField, Retry
from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Store
from registrar.spire.errors import AlreadyExists, NotFound, SpireError
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

TRUST_DOMAIN_INDEX = "trust-domain"


def trust_domains_of(obj: ClusterFederatedTrustDomain) -> Iterable[str]:
    """The values of TRUST_DOMAIN_INDEX."""
    return (bare(obj.spec.trust_domain),)


class FederationReconciler:
    """Creates, changes and deletes federation relationships, and bundles given without one.

    What somebody else made is brought in line while an object asks for it,
    and left when the object goes: the status of the object remembers it.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        *,
        trust_domain: str,
        objects: Store[ClusterFederatedTrustDomain],
        is_handled: Callable[[str], bool],
        federation: Federation,
        bundles: Bundles,
        trust_domains: TrustDomains,
        kube: Kubernetes | None,
        events: Events,
        timestamp: Callable[[], str],
    ) -> None:
        self._trust_domain = trust_domain
        self._objects = objects
        self._is_handled = is_handled
        self._federation = federation
        self._bundles = bundles
        self._trust_domains = trust_domains
        self._kube = kube
        self._events = events
        self._timestamp = timestamp
        self._pace = Pace(lambda: 0.0)
        self._owned: set[str] = set()
        self._seeds: dict[str, Bundle] = {}
        self._seen: dict[str, Relationship] | None = None

    async def _look_if_needed(self) -> dict[str, Relationship]:
        """What relationships the server holds, as last read. Raises SpireError."""
        if self._seen is None:
            self._seen = await self._federation.list()
        return self._seen

    def drifted(self) -> None:
        """Let the next reconcile read anew what the server holds."""
        self._seen = None

    async def reconcile(self, name: str) -> Outcome:
        """Bring one trust domain in line. Raises Retry when SPIRE refuses."""
        found = [
            obj
            for key in self._objects.by_index(TRUST_DOMAIN_INDEX, name)
            if (obj := self._objects.get(key)) is not None and self._is_handled(obj.spec.class_name)
        ]
        if any(obj.status.owned for obj in found):
            self._owned.add(name)
        if not found:
            await self._answered(self._release(name))
            return Done()
        winner, *others = oldest_first(found)
        for other in others:
            await self._write_status(other, conflict(other, winner), is_owned=False)
        try:
            wanted = wanted_by(winner, trust_domain=self._trust_domain)
        except InvalidField as error:
            await self._write_status(
                winner, Problem("InvalidSpec", str(error)), is_owned=name in self._owned
            )
            return Done()
        try:
            await self._answered(self._set(name, wanted))
        except Retry as error:
            problem = Problem(error.reason, str(error))
            await self._write_status(winner, problem, is_owned=name in self._owned)
            raise
        await self._write_status(winner, None, is_owned=name in self._owned)
        return Done()

    async def _answered(self, call: Awaitable[None]) -> None:
        try:
            await call
        except SpireError as error:
            # What we knew may be what is wrong.
            self.drifted()
            raise Retry(error.reason, error.message) from error

    async def _set(self, name: str, wanted: Wanted) -> None:
        """Make the server hold what is wanted."""
        known = await self._look_if_needed()
        seen = known.get(name)
        if wanted.relationship is None:
            if wanted.bundle is not None:
                await self._set_bundle(name, wanted.bundle)
            return
        changed = self._seeds.get(name) != wanted.bundle and name in self._seeds
        if seen is None:
            try:
                await self._federation.create(wanted.relationship)
            except AlreadyExists:
                # Made by somebody else since we looked: bring that in line.
                await self._federation.update(wanted.relationship)
            else:
                self._owned.add(name)
            log.info("federation relationship set", extra=kv(trust_domain=name))
        elif not seen.points_like(wanted.relationship) or changed:
            await self._federation.update(wanted.relationship)
            log.info("federation relationship changed", extra=kv(trust_domain=name))
        else:
            self._remember(name, wanted)
            return
        self._remember(name, wanted)
        known[name] = wanted.relationship
        await self._trust_domains.refresh()

    def _remember(self, name: str, wanted: Wanted) -> None:
        """The bundle that the object gives; only its change is worth another update."""
        if wanted.bundle is None:
            self._seeds.pop(name, None)
        else:
            self._seeds[name] = wanted.bundle

    async def _set_bundle(self, name: str, wanted: Bundle) -> None:
        """Make the server hold a bundle that has no endpoint to come from."""
        try:
            held = await self._bundles.federated(name)
        except NotFound:
            self._owned.add(name)
        else:
            if held.vouches_like(wanted):
                return
        await self._bundles.set_federated(wanted)
        log.info("federated bundle set", extra=kv(trust_domain=name))
        await self._trust_domains.refresh()

    async def _release(self, name: str) -> None:
        """No object asks for the trust domain any more: delete what we made."""
        self._seeds.pop(name, None)
        if name not in self._owned:
            return
        known = await self._look_if_needed()
        try:
            if name in known:
                await self._federation.delete(name)
            else:
                await self._bundles.delete_federated(name)
        except NotFound:
            pass
        known.pop(name, None)
        self._owned.discard(name)
        log.info("federation relationship deleted", extra=kv(trust_domain=name))
        await self._trust_domains.refresh()

    async def _write_status(
        self, obj: ClusterFederatedTrustDomain, problem: Problem | None, *, is_owned: bool
    ) -> None:
        """Write the status if it differs from the stored one."""
        known = self._trust_domains.known
        name = bare(obj.spec.trust_domain)
        wanted = status_of(
            obj,
            problem=problem,
            is_owned=is_owned,
            has_bundle=None if known is None else name in known,
            now=self._timestamp(),
        )
        if wanted == obj.status or self._pace.is_in_vain(obj.metadata.name, wanted, obj.status):
            return
        if self._kube is None:
            if problem is not None:
                log.warning(
                    "a federated trust domain is not set",
                    extra=kv(object=obj.metadata.name, why=problem.message),
                )
            return
        patch = merge_diff(to_json(obj.status), to_json(wanted))
        stored = await self._kube.merge_patch(
            CLUSTER_FEDERATED_TRUST_DOMAIN, obj.key, {"status": patch}, subresource="status"
        )
        self._pace.answered(obj.metadata.name, wanted, stored.status)
        self._objects.assume(stored)
        before = find_condition(obj.status.conditions, READY)
        after = find_condition(wanted.conditions, READY)
        if after is None or (before is not None and before.message == after.message):
            return
        self._events.emit(
            reference(CLUSTER_FEDERATED_TRUST_DOMAIN, obj),
            type="Normal" if after.status == "True" else "Warning",
            reason=after.reason,
            message=after.message,
        )
