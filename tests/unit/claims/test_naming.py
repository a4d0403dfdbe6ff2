"""Names of SpireEntries."""

import re

from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.naming import MAX_NAME_LENGTH, Naming, canonical_bytes
from registrar.identity.entry import EntryKey
from registrar.identity.selectors import Selector
from tests.support.builders import make_key

KUBERNETES_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
texts = st.text(min_size=1, max_size=12)
selectors = st.lists(st.builds(Selector, texts, texts), min_size=1, max_size=4)
keys = st.builds(EntryKey.of, texts.map("spiffe://example.org/{}".format), texts, selectors)


def test_the_same_key_has_the_same_name_on_every_machine_and_in_every_version() -> None:
    key = make_key("/ns/shop/sa/web", "ns:shop", "sa:web")
    assert Naming("").candidate(key) == "ns-shop-sa-web.ped6kxuu635lfudklo4euyltji"
    assert Naming("blue").candidate(key) != Naming("").candidate(key)


@given(keys)
def test_a_name_is_valid_in_kubernetes_and_short_enough_for_an_entry_id(key: EntryKey) -> None:
    name = Naming("").candidate(key)
    assert KUBERNETES_NAME.fullmatch(name)
    assert ".." not in name
    assert len(name) <= MAX_NAME_LENGTH


@given(keys)
def test_the_order_of_selectors_does_not_matter(key: EntryKey) -> None:
    shuffled = EntryKey.of(key.spiffe_id, key.parent_id, reversed(key.selectors * 2))
    assert Naming("").candidate(shuffled) == Naming("").candidate(key)


@given(keys, keys)
def test_different_keys_have_different_encodings(one: EntryKey, other: EntryKey) -> None:
    assert (canonical_bytes("", one) == canonical_bytes("", other)) == (one == other)


def test_keys_whose_hashes_collide_get_different_names() -> None:
    naming = Naming("", digest=lambda data: bytes(15) + data[-1:])
    taken: dict[str, EntryKey] = {}
    for number in range(8):
        key = make_key("/same", f"ns:{number}0")
        name = naming.choose(key, taken.get)
        assert name not in taken
        taken[name] = key
    for name, key in taken.items():
        assert naming.choose(key, taken.get) == name


def test_a_key_stays_under_its_second_name_when_the_first_becomes_free() -> None:
    naming = Naming("", digest=lambda data: bytes(15) + data[-1:])
    first, second = make_key("/same", "ns:10"), make_key("/same", "ns:20")
    nothing: dict[str, EntryKey] = {}
    taken = {naming.choose(first, nothing.get): first}
    name = naming.choose(second, taken.get)
    assert naming.choose(second, {name: second}.get) == name
