"""ClusterFederatedTrustDomain: one trust domain at a time, its relationship and the statuses.

The key is the trust domain: several objects may name it, and the oldest counts.
The empty key stands for what no trust domain leads to: objects that name none
or do not decode, and what is recorded of trust domains that no object names.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.bundlefreshness import Freshness
from controllers.federationrecord import FederationMemory, Record
from controllers.federationstatus import UNDECODABLE, FederationStatuses
from controllers.ports import (
    Bundles,
    BundleSources,
    Events,
    Federation,
    Kubernetes,
    TrustDomains,
)
from registrar.claims.bundlesource import NO_SOURCE, Reading
from registrar.claims.claim import Problem
from registrar.claims.federatedtrustdomain import (
    NO_TRUST_DOMAIN,
    TRUST_DOMAIN_INDEX,
    Wanted,
    conflict,
    noted_in,
    oldest_first,
    relationship_exists,
    trust_domains_of,
    wanted_by,
    was_set,
)
from registrar.claims.federationrecord import Noted, bundle_hash, is_given
from registrar.claims.federationstatus import Observed
from registrar.errors import InvalidField, Retry
from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship
from registrar.identity.spiffeid import trust_domain_of
from registrar.kube.controller import Done, Result
from registrar.kube.store import Store
from registrar.spire.errors import (
    AlreadyExists,
    EndpointDistrusted,
    NotFound,
    SpireError,
    Unavailable,
)
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class FederationReconciler:
    """Creates, changes and deletes federation relationships, and bundles given without one.

    What somebody else made is brought in line while an object asks for it,
    and left when the object goes: the record says what is ours. Nothing goes
    before ``is_complete`` tells that all objects are known. ``wake`` is asked
    to look at a trust domain. ``freshness`` is shared with who refreshes the bundles.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        *,
        trust_domain: str,
        objects: Store[ClusterFederatedTrustDomain],
        is_complete: Callable[[], bool],
        is_handled: Callable[[str], bool],
        federation: Federation,
        bundles: Bundles,
        trust_domains: TrustDomains,
        sources: BundleSources,
        freshness: Freshness,
        kube: Kubernetes | None,
        record: Record | None,
        events: Events,
        timestamp: Callable[[], str],
        wake: Callable[[str], None],
    ) -> None:
        self._trust_domain = trust_domain
        self._objects = objects
        self._is_complete = is_complete
        self._is_handled = is_handled
        self._federation = federation
        self._bundles = bundles
        self._trust_domains = trust_domains
        self._sources = sources
        self._freshness = freshness
        self._wake = wake
        self._memory = FederationMemory(record)
        self._statuses = FederationStatuses(
            objects=objects,
            trust_domains=trust_domains,
            kube=kube,
            events=events,
            timestamp=timestamp,
        )
        self._seen: dict[str, Relationship] | None = None
        # The hash of the bundle that was given last, by trust domain.
        self._given: dict[str, str] = {}

    async def _look_if_needed(self) -> dict[str, Relationship]:
        """What relationships the server holds, as last read. Raises SpireError."""
        if self._seen is None:
            self._seen = await self._federation.list()
        return self._seen

    def drifted(self) -> None:
        """Let the next reconcile read anew what the server holds."""
        self._seen = None

    async def reconcile(self, name: str) -> Result:
        """Bring one trust domain in line. Raises Retry when SPIRE refuses."""
        await self._memory.load(self._noted_in_statuses)
        if name == NO_TRUST_DOMAIN:
            await self._look_at_the_rest()
            return Done()
        found = self._asking(name)
        if not found:
            await self._answered(self._release(name))
            return Done()
        winner, *others = oldest_first(found)
        for other in others:
            await self._statuses.write(other, conflict(other, winner))
        try:
            wanted = wanted_by(winner, trust_domain=self._trust_domain)
        except InvalidField as error:
            await self._say(winner, name, Problem("InvalidSpec", str(error)))
            return Done()
        reading = self._read(wanted, name)
        if reading is None:
            # Whoever reads it wakes the trust domain.
            return Done()
        source = None if wanted.source is None else reading
        try:
            problem = await self._answered(
                self._set_bundle(name, wanted.bundle, reading)
                if wanted.relationship is None
                else self._link(name, wanted.relationship, reading, winner)
            )
        except Retry as error:
            await self._say(winner, name, Problem(error.reason, str(error)), source)
            raise
        await self._say(winner, name, problem, source)
        return Done()

    def _read(self, wanted: Wanted, name: str) -> Reading | None:
        """What the object's source shows; None while that is not known."""
        if wanted.source is None:
            return NO_SOURCE
        return self._sources.read(wanted.source, trust_domain=name)

    def _asking(self, name: str) -> list[ClusterFederatedTrustDomain]:
        """The objects for a trust domain that are ours to handle."""
        return [
            obj
            for key in self._objects.by_index(TRUST_DOMAIN_INDEX, name)
            if (obj := self._objects.get(key)) is not None and self._is_handled(obj.spec.class_name)
        ]

    def _noted_in_statuses(self) -> dict[str, Noted]:
        """What the statuses of the objects remember, for a start without a record."""
        noted: dict[str, Noted] = {}
        for name in {name for obj in self._objects.values() for name in trust_domains_of(obj)}:
            found = self._asking(name)
            if found and noted_in(winner := oldest_first(found)[0]) != Noted():
                noted[name] = noted_in(winner)
        return noted

    async def _look_at_the_rest(self) -> None:
        """Report the objects that lead to no trust domain; wake what no object asks for."""
        self._statuses.decodable()
        for key, broken in list(self._objects.broken.items()):
            self._statuses.undecodable(key, broken)
        for name in self._memory.names():
            if not self._asking(name):
                self._wake(name)
        for obj in self._asking(NO_TRUST_DOMAIN):
            try:
                wanted_by(obj, trust_domain=self._trust_domain)
            except InvalidField as error:
                await self._statuses.write(obj, Problem("InvalidSpec", str(error)))

    async def _say(
        self,
        obj: ClusterFederatedTrustDomain,
        name: str,
        problem: Problem | None,
        source: Reading | None = None,
    ) -> None:
        """Write the status of the object that counts."""
        broken = self._objects.broken.get(ObjectKey("", obj.metadata.name))
        if broken is not None:
            kept = f"{broken.error}: correct the object; the last good state stays in force"
            problem = Problem(UNDECODABLE, kept)
        noted = self._memory.of(name)
        freshness = self._freshness
        is_refreshed = freshness.is_periodic and freshness.is_linked(name)
        observed = Observed(
            is_owned=noted.is_ours,
            seed=noted.seed,
            is_refreshed=is_refreshed,
            refreshed=freshness.of(name) if is_refreshed else None,
            source=source,
        )
        await self._statuses.write(obj, problem, observed)

    async def _answered(self, call: Awaitable[Problem | None]) -> Problem | None:
        try:
            return await call
        except SpireError as error:
            # What we knew may be what is wrong.
            self._seen = None
            raise Retry(error.reason, error.message) from error

    async def _link(
        self, name: str, wanted: Relationship, reading: Reading, obj: ClusterFederatedTrustDomain
    ) -> Problem | None:
        """Make the server hold a relationship, and a bundle to begin with."""
        known = await self._look_if_needed()
        seen = known.get(name)
        if seen is None:
            # Its data may be lost, bundles and all.
            await self._trust_domains.refresh()
        lacks = await self._lacked(name, wanted, reading)
        if lacks is not None and seen is None:
            return lacks
        sent, after, is_anew = await self._offer(name, wanted, reading, seen, obj)
        if seen is None:
            await self._create(name, sent, self._memory.of(name), replace(after, relationship=True))
        elif sent.bundle is not None or not seen.points_like(wanted):
            await self._federation.update(sent)
            await self._memory.note(name, after)
            gives = sent.bundle is not None
            log.info("federation relationship changed", extra=kv(trust_domain=name, bundle=gives))
        else:
            await self._memory.note(name, after)
            self._freshness.linked(name, is_changed=False)
            return lacks
        known[name] = wanted
        self._freshness.linked(name, is_changed=True)
        if is_anew:
            self._statuses.trusted_anew(obj)
            self._freshness.trusted_anew(name)
        await self._trust_domains.refresh()
        return lacks

    async def _offer(
        self,
        name: str,
        wanted: Relationship,
        reading: Reading,
        seen: Relationship | None,
        obj: ClusterFederatedTrustDomain,
    ) -> tuple[Relationship, Noted, bool]:
        """What to send, what is noted then, and whether the server is to trust it anew."""
        has_source = obj.spec.trust_domain_bundle_from is not None
        bundle = reading.bundle if has_source else wanted.bundle
        noted = self._memory.of(name)
        noted = replace(noted, seed=noted.seed or obj.status.trust_domain_bundle_hash)
        seed = bundle_hash(bundle)
        gives = is_given(
            seed,
            # That another one is published says nothing: the server's may be fresher.
            known=seed if has_source and noted.seed else noted.seed,
            is_held=bundle is None or await self._is_held(name),
            is_linked=seen is not None,
            was_ready=was_set(obj),
        )
        # What was given once is older than what the server has fetched since.
        is_another = has_source and not gives and seed != self._given.get(name)
        is_anew = is_another and await self._is_distrusted(wanted, bundle)
        if gives or is_anew:
            self._given[name] = seed
            return replace(wanted, bundle=bundle), replace(noted, seed=seed), is_anew
        if has_source:
            seed = noted.seed or seed
        return replace(wanted, bundle=None), replace(noted, seed=seed), False

    async def _lacked(self, name: str, wanted: Relationship, reading: Reading) -> Problem | None:
        """What is wrong with the source of a bundle without which nothing can be fetched."""
        if reading.problem is None or wanted.profile != "https_spiffe":
            return None
        return None if await self._is_held(name) else reading.problem

    async def _is_distrusted(self, wanted: Relationship, source: Bundle | None) -> bool:
        """Whether the endpoint's certificate is refused for want of authorities that are known.

        Those of the endpoint's own trust domain count, so no other one's bundle would help. Asked
        once more at last: by now the server may hold what it lacked, and fresher than the source.
        """
        name = wanted.trust_domain
        refreshed = self._freshness.of(name)
        if refreshed is None or not refreshed.is_distrusted:
            return False
        if source is None or not source.x509_authorities:
            return False
        if trust_domain_of(wanted.endpoint_spiffe_id) != name:
            return False
        try:
            held = await self._bundles.federated(name)
            if set(held.x509_authorities) == set(source.x509_authorities):
                return False
            await self._federation.refresh(name)
        except EndpointDistrusted:
            return True
        except SpireError:
            return False
        return False

    async def _is_held(self, name: str) -> bool:
        """Whether the server holds the bundle of a trust domain. Raises SpireError."""
        if name in (self._trust_domains.known or ()):
            return True
        try:
            await self._bundles.federated(name)
        except NotFound:
            return False
        return True

    async def _create(self, name: str, sent: Relationship, before: Noted, after: Noted) -> None:
        """Make a relationship, which is recorded as ours first: a crash must not lose it.

        Raises AlreadyExists where somebody was quicker: the next look finds that.
        """
        await self._memory.note(name, after)
        try:
            await self._federation.create(sent)
        except Unavailable:
            # It may have been made, and then by us.
            raise
        except SpireError as error:
            await self._memory.note(name, replace(before, relationship=False))
            if isinstance(error, AlreadyExists):
                log.info("somebody made the relationship first", extra=kv(trust_domain=name))
            raise
        log.info("federation relationship set", extra=kv(trust_domain=name))

    async def _set_bundle(
        self, name: str, given: Bundle | None, reading: Reading
    ) -> Problem | None:
        """Make the server hold a bundle that has no endpoint to come from."""
        self._freshness.unlinked(name)
        wanted = given or reading.bundle
        if wanted is None:
            return reading.problem
        known, noted = await self._look_if_needed(), self._memory.of(name)
        if name in known:
            if not noted.relationship:
                return relationship_exists(known[name].url)
            # The object had an endpoint before, which would go on to replace the bundle.
            await self._memory.note(name, replace(noted, bundle=True))
            await self._delete(name, known)
        noted = replace(self._memory.of(name), relationship=False, seed=bundle_hash(wanted))
        try:
            held = await self._bundles.federated(name)
        except NotFound:
            noted = replace(noted, bundle=True)
        else:
            if held.vouches_like(wanted):
                await self._memory.note(name, noted)
                return None
        await self._memory.note(name, noted)
        await self._bundles.set_federated(wanted)
        log.info("federated bundle set", extra=kv(trust_domain=name))
        await self._trust_domains.refresh()
        return None

    async def _delete(self, name: str, known: dict[str, Relationship]) -> None:
        try:
            await self._federation.delete(name)
        except NotFound:
            pass
        else:
            log.info("federation relationship deleted", extra=kv(trust_domain=name))
        known.pop(name, None)
        self._freshness.unlinked(name)

    async def _release(self, name: str) -> Problem | None:
        """No object asks for the trust domain any more: delete what we made."""
        if not self._is_complete() or any(key not in self._objects for key in self._objects.broken):
            # What cannot be read may ask for it.
            return None
        self._freshness.unlinked(name)
        noted = self._memory.of(name)
        if noted.is_ours:
            known = await self._look_if_needed()
            if noted.relationship and name in known:
                await self._delete(name, known)
            if noted.bundle and name not in known:
                try:
                    await self._bundles.delete_federated(name)
                except NotFound:
                    pass
                else:
                    log.info("federated bundle deleted", extra=kv(trust_domain=name))
            await self._trust_domains.refresh()
        await self._memory.forget(name)
        return None
