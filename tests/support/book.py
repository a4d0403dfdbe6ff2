"""A Book for tests of one reconciler."""

from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.book import Book
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.kube.store import Store


def a_book() -> Book:
    """A Book that knows nothing yet."""
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
