"""Every "that object changed, so these keys need work", and nothing else. No state, no I/O.

The sources name these functions in their watches. A trigger that must look something up is made
by a function that takes what it looks up in.
"""

from collections.abc import Callable, Iterable

from api.core import Endpoints, EndpointSlice, Namespace, Owned
from api.kinds import NODE
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.whole import WholeNode
from controllers.source import T
from registrar.claims.claim import Claimant
from registrar.claims.federatedtrustdomain import NO_TRUST_DOMAIN, trust_domains_of
from registrar.claims.record import key_of
from registrar.claims.serviceaddresses import (
    pods_in_endpoints,
    pods_in_slice,
    pods_moved_in_endpoints,
    pods_moved_in_slice,
    service_of,
)
from registrar.identity.entry import EntryKey
from registrar.kube.store import Change

PodsNamed = Callable[[str], Iterable[ObjectKey]]
"""Tells the Pods of a Namespace, or of a Node, by its name."""

MadeFor = Callable[[T], Claimant | None]
"""Tells the Pod or Node that an object was made for."""


def itself(change: Change[T]) -> Iterable[ObjectKey]:
    """The object that changed."""
    return (change.key,)


def by_name(change: Change[T]) -> Iterable[str]:
    """The name of the object that changed, of a kind without namespaces."""
    return (change.key.name,)


def another_by_name(change: Change[T]) -> Iterable[str]:
    """Its name, if it came, went or was made anew: what it says does not matter."""
    # One that never decoded and goes leaves nothing to compare: somebody may keep things for it.
    return (change.key.name,) if change.is_another or change.new is None else ()


def its_maker_pods(made_for: MadeFor[T]) -> Callable[[Change[T]], Iterable[ObjectKey]]:
    """The Pods that an object was made for, before the change and after it."""
    return lambda change: [
        ObjectKey(owner.namespace, owner.name)
        for owner in _makers(made_for, change)
        if owner.kind != NODE.kind
    ]


def its_maker_nodes(made_for: MadeFor[T]) -> Callable[[Change[T]], Iterable[str]]:
    """The Nodes that an object was made for, before the change and after it."""
    return lambda change: [
        owner.name for owner in _makers(made_for, change) if owner.kind == NODE.kind
    ]


def _makers(made_for: MadeFor[T], change: Change[T]) -> list[Claimant]:
    found = (made_for(obj) for obj in (change.old, change.new) if obj is not None)
    return [owner for owner in found if owner is not None]


def a_free_name(change: Change[T]) -> Iterable[ObjectKey]:
    """The name of an object that is gone: one that should have it may have waited."""
    return (change.key,) if change.new is None else ()


def pods_on_node(pods: PodsNamed) -> Callable[[Change[WholeNode]], Iterable[ObjectKey]]:
    """The Pods on a Node, but not after a heartbeat, which changes nothing that anybody reads."""

    def keys_of(change: Change[WholeNode]) -> Iterable[ObjectKey]:
        old, new = change.old, change.new
        is_heartbeat = (
            old is not None
            and new is not None
            and old.spec == new.spec
            and old.metadata.labels == new.metadata.labels
            and old.metadata.annotations == new.metadata.annotations
            and old.metadata.uid == new.metadata.uid
        )
        return () if is_heartbeat else pods(change.key.name)

    return keys_of


def is_relabelled(change: Change[Namespace]) -> bool:
    """Whether a Namespace came, went, or has other labels: selectors may say otherwise of it."""
    old, new = change.old, change.new
    return old is None or new is None or old.metadata.labels != new.metadata.labels


def pods_of_relabelled(pods: PodsNamed) -> Callable[[Change[Namespace]], Iterable[ObjectKey]]:
    """The Pods of a Namespace of which selectors may say otherwise now."""
    return lambda change: pods(change.key.name) if is_relabelled(change) else ()


def in_another_namespace(
    objects: PodsNamed,
) -> Callable[[Change[Namespace]], Iterable[ObjectKey]]:
    """The objects of a Namespace that came: they may have been seen before it, without owner."""
    return lambda change: (
        objects(change.key.name) if change.new is not None and change.is_another else ()
    )


def pods_owned_through(
    owned_by: Callable[[ObjectKey], Iterable[ObjectKey]],
) -> Callable[[Change[Owned]], Iterable[ObjectKey]]:
    """The Pods whose chain of controllers goes through an object: they may have waited for it."""

    def keys_of(change: Change[Owned]) -> Iterable[ObjectKey]:
        old, new = change.old, change.new
        is_same = (
            old is not None
            and new is not None
            and old.metadata.owner_references == new.metadata.owner_references
        )
        return () if is_same else owned_by(change.key)

    return keys_of


def pods_joining_slice(change: Change[EndpointSlice]) -> Iterable[ObjectKey]:
    """The Pods that only one of the two versions names, or that are behind another service now."""
    before, after = pods_in_slice(change.old), pods_in_slice(change.new)
    is_same_service = service_of(change.old) == service_of(change.new)
    return before ^ after if is_same_service else before | after


def pods_joining_endpoints(change: Change[Endpoints]) -> Iterable[ObjectKey]:
    """The Pods that only one of the two versions names."""
    return pods_in_endpoints(change.old) ^ pods_in_endpoints(change.new)


def pods_moving_in_slice(change: Change[EndpointSlice]) -> Iterable[ObjectKey]:
    """The Pods whose addresses in the service differ."""
    return pods_moved_in_slice(change.old, change.new)


def pods_moving_in_endpoints(change: Change[Endpoints]) -> Iterable[ObjectKey]:
    """The Pods whose addresses in the service differ."""
    return pods_moved_in_endpoints(change.old, change.new)


def services_of_slice(change: Change[EndpointSlice]) -> set[ObjectKey]:
    """The services that a slice came to or left; a label that is changed moves it."""
    before, after = service_of(change.old), service_of(change.new)
    return {s for s in (before, after) if s is not None} if before != after else set()


def services_of_endpoints(change: Change[Endpoints]) -> set[ObjectKey]:
    """The service that came or went."""
    return {change.key} if change.old is None or change.new is None else set()


def trust_domains_named(change: Change[ClusterFederatedTrustDomain]) -> Iterable[str]:
    """The trust domains that an object named and names."""
    if change.error or change.old is None or change.new is None:
        # It does not decode, or an earlier version of it may not have done.
        yield NO_TRUST_DOMAIN
    for obj in (change.old, change.new):
        if obj is not None:
            yield from trust_domains_of(obj)


def records_of_change(
    is_claimed: Callable[[EntryKey], bool], name_of: Callable[[EntryKey], str]
) -> Callable[[Change[SpireEntry]], Iterable[str]]:
    """A SpireEntry that changed; of one that is gone also the one that its key should have."""

    def keys_of(change: Change[SpireEntry]) -> Iterable[str]:
        yield change.key.name
        if change.new is None and change.old is not None:
            key = key_of(change.old)
            if key is not None and is_claimed(key):
                yield name_of(key)

    return keys_of
