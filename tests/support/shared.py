"""The shared state for tests of one reconciler; its wake-ups lead nowhere by themselves."""

from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    NODE,
    POD,
    SPIFFE_ID,
)
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.shared import SharedState
from registrar.claims.claim import REGISTRAR
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.kube.store import Store

KINDS = frozenset(
    kind.kind
    for kind in (
        *(CLUSTER_SPIFFE_ID, CLUSTER_SPIFFEID, CLUSTER_STATIC_ENTRY),
        *(CLUSTER_FEDERATED_TRUST_DOMAIN, SPIFFE_ID, POD, NODE),
    )
)


def a_shared_state() -> SharedState:
    """A shared state that knows nothing yet, with wake-ups that lead nowhere."""
    return unconnected(a_fresh_shared_state())


def a_fresh_shared_state() -> SharedState:
    """A shared state that knows nothing yet, whose wake-ups are still to be connected."""
    objects: Store[SpireEntry] = Store()
    return SharedState(
        trust_domain="example.org",
        cluster="test",
        class_name="",
        prefix="test",
        records=Records("", "", lambda _: True),
        naming=Naming(""),
        spire_entries=objects,
        own_entry=lambda _: None,
    )


def unconnected(shared: SharedState) -> SharedState:
    """The shared state, with wake-ups that lead nowhere."""
    shared.wake.check(unused=shared.wake.unserved())
    shared.wake.status.leave_out(KINDS | {REGISTRAR})
    return shared
