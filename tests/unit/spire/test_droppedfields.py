"""What the answers to our own writes tell of the fields that a server drops."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.identity.entry import Attributes
from registrar.spire.droppedfields import DroppedFields

HINT = Attributes(hint="h")
HINT_AND_TTL = Attributes(hint="h", jwt_svid_ttl=60)
PLAIN = Attributes()

Heard = list[tuple[frozenset[str], frozenset[str]]]


def listened() -> tuple[DroppedFields, Heard]:
    heard: Heard = []
    return DroppedFields(on_change=lambda added, removed: heard.append((added, removed))), heard


def test_what_was_sent_and_came_back_empty_is_dropped() -> None:
    dropped, heard = listened()
    dropped.learn(HINT_AND_TTL, Attributes(jwt_svid_ttl=60))
    assert dropped.fields == {"hint"}
    assert heard == [(frozenset({"hint"}), frozenset())]


def test_what_was_not_sent_says_nothing() -> None:
    dropped, heard = listened()
    dropped.learn(PLAIN, PLAIN)
    dropped.learn(HINT_AND_TTL, PLAIN, written={"x509_svid_ttl"})
    # Every server knows this one: its answer would be a fault of another kind.
    dropped.learn(Attributes(dns_names=("web.test",)), PLAIN)
    assert dropped.fields == frozenset()
    assert heard == []


def test_a_field_that_came_back_once_is_never_taken_for_dropped() -> None:
    dropped, heard = listened()
    dropped.learn(HINT, HINT)
    dropped.learn(HINT, PLAIN)
    assert dropped.fields == frozenset()
    assert heard == []


def test_a_field_that_comes_back_later_is_no_longer_dropped() -> None:
    dropped, heard = listened()
    dropped.learn(HINT_AND_TTL, PLAIN)
    dropped.learn(HINT, HINT)
    assert dropped.fields == {"jwt_svid_ttl"}
    assert heard[-1] == (frozenset(), frozenset({"hint"}))


def test_after_the_server_was_away_everything_is_learnt_anew() -> None:
    dropped, heard = listened()
    dropped.learn(HINT_AND_TTL, Attributes(jwt_svid_ttl=60))
    dropped.forget()
    assert dropped.fields == frozenset()
    assert heard[-1] == (frozenset(), frozenset({"hint"}))
    # An older version may have come back, too.
    dropped.learn(HINT_AND_TTL, PLAIN)
    assert dropped.fields == {"hint", "jwt_svid_ttl"}


attributes = st.builds(
    Attributes,
    hint=st.sampled_from(["", "a", "b"]),
    jwt_svid_ttl=st.sampled_from([0, 60]),
    store_svid=st.booleans(),
)


@given(writes=st.lists(st.tuples(attributes, attributes)))
def test_the_changes_that_are_heard_add_up_to_the_fields(
    writes: list[tuple[Attributes, Attributes]],
) -> None:
    dropped, heard = listened()
    for sent, held in writes:
        dropped.learn(sent, held)
    total: frozenset[str] = frozenset()
    for added, removed in heard:
        assert added or removed
        assert not added & total
        assert removed <= total
        total = (total | added) - removed
    assert total == dropped.fields
