"""Statuses of ClusterFederatedTrustDomains, and what is said of those that do not decode."""

import logging
from collections.abc import Callable
from dataclasses import replace

from api.codec import merge_diff, to_json
from api.core import ObjectReference
from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.meta import ObjectKey, find_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.ports import Events, Kubernetes, TrustDomains, reference
from controllers.prunedstatus import PrunedStatuses
from registrar.claims.claim import Problem
from registrar.claims.federatedtrustdomain import READY, bare
from registrar.claims.federationstatus import Observed, status_of
from registrar.kube.errors import Undecodable
from registrar.kube.store import Broken, Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

UNDECODABLE = "Undecodable"
"""Reason of the condition and the Event."""

REBOOTSTRAPPED = "Rebootstrapped"
"""Reason of the Event."""

NOTHING = Observed()
"""What is known for an object that does not count."""


class FederationStatuses:
    """Writes statuses, and reports what changed in an Event. ``kube`` is None without a cluster."""

    def __init__(
        self,
        *,
        objects: Store[ClusterFederatedTrustDomain],
        trust_domains: TrustDomains,
        kube: Kubernetes | None,
        events: Events,
        timestamp: Callable[[], str],
    ) -> None:
        self._objects = objects
        self._trust_domains = trust_domains
        self._kube = kube
        self._events = events
        self._timestamp = timestamp
        self._pruned = PrunedStatuses()
        self._said: dict[ObjectKey, str] = {}

    async def write(
        self,
        obj: ClusterFederatedTrustDomain,
        problem: Problem | None,
        observed: Observed = NOTHING,
    ) -> None:
        """Write the status if it differs from the stored one. Raises KubeError.

        ``observed`` is what is known beside ``has_bundle``.
        """
        known = self._trust_domains.known
        has_bundle = None if known is None else bare(obj.spec.trust_domain) in known
        wanted = status_of(
            obj,
            problem=problem,
            observed=replace(observed, has_bundle=has_bundle),
            now=self._timestamp(),
        )
        if wanted == obj.status or self._pruned.is_in_vain(obj.metadata.name, wanted, obj.status):
            return
        if self._kube is None:
            if problem is not None:
                log.warning(
                    "a federated trust domain is not set",
                    extra=kv(object=obj.metadata.name, why=problem.message),
                )
            return
        patch = merge_diff(to_json(obj.status), to_json(wanted))
        try:
            stored = await self._kube.merge_patch(
                CLUSTER_FEDERATED_TRUST_DOMAIN, obj.key, {"status": patch}, subresource="status"
            )
        except Undecodable:
            # The status stands there now; the rest of the object is what does not decode.
            self._pruned.unread(obj.metadata.name, wanted, obj.status)
        else:
            self._pruned.answered(obj.metadata.name, wanted, stored.status)
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

    def trusted_anew(self, obj: ClusterFederatedTrustDomain) -> None:
        """Say that the SPIRE server was given other authorities than it held."""
        message = (
            "the certificate of the bundle endpoint was refused, and trustDomainBundleFrom shows "
            "other authorities than the SPIRE server held: it trusts those now"
        )
        log.warning(message, extra=kv(trust_domain=bare(obj.spec.trust_domain)))
        self._events.emit(
            reference(CLUSTER_FEDERATED_TRUST_DOMAIN, obj),
            type="Normal",
            reason=REBOOTSTRAPPED,
            message=message,
        )

    def undecodable(self, key: ObjectKey, broken: Broken) -> None:
        """Say of an object that it does not decode; once for each reason."""
        if self._said.get(key) == broken.error:
            return
        self._said[key] = broken.error
        log.warning("an object does not decode", extra=kv(object=str(key), error=broken.error))
        kind = CLUSTER_FEDERATED_TRUST_DOMAIN
        self._events.emit(
            ObjectReference(
                api_version=kind.api_version,
                kind=kind.kind,
                name=key.name,
                uid=broken.meta.uid,
                resource_version=broken.meta.resource_version,
            ),
            type="Warning",
            reason=UNDECODABLE,
            message=f"{broken.error}: correct the object. What it asked for before stays; until "
            "then no relationship is deleted because no object asks for it",
        )

    def decodable(self) -> None:
        """Forget what was said of objects that decode now, or are gone."""
        for key in self._said.keys() - self._objects.broken.keys():
            del self._said[key]
