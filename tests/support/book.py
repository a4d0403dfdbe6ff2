"""A Book for tests of one reconciler, whose wake-ups lead nowhere unless a test connects them."""

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
from controllers.book import Book
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


def a_book() -> Book:
    """A Book that knows nothing yet, with wake-ups that lead nowhere."""
    return unconnected(a_fresh_book())


def a_fresh_book() -> Book:
    """A Book that knows nothing yet, whose wake-ups are still to be connected."""
    objects: Store[SpireEntry] = Store()
    return Book(
        trust_domain="example.org",
        cluster="test",
        class_name="",
        prefix="test",
        records=Records("", "", lambda _: True),
        naming=Naming(""),
        spire_entries=objects,
        own_entry=lambda _: None,
    )


def unconnected(book: Book) -> Book:
    """The Book, with wake-ups that lead nowhere."""
    book.wake.check(unused=book.wake.unserved())
    book.wake.status.leave_out(KINDS | {REGISTRAR})
    return book
