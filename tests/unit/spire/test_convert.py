"""Entries to messages and back."""

from dataclasses import fields
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.proto import types_pb2
from registrar.identity.entry import ATTRIBUTE_NAMES, Attributes, Entry, EntryKey
from registrar.identity.selectors import Selector
from registrar.spire.convert import DROPPABLE, attribute_mask, from_proto, to_proto

TTLS = st.integers(0, 2**31 - 1)
PATHS = st.from_regex(r"(/[A-Za-z0-9._-]{1,8}){1,3}", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z0-9-]{1,8}\.test", fullmatch=True)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=10)
SELECTORS = st.builds(Selector, st.sampled_from(["k8s", "unix", "docker"]), WORDS)

ENTRIES = st.builds(
    Entry,
    id=WORDS,
    key=st.builds(
        EntryKey.of,
        st.builds("spiffe://{}{}".format, DOMAINS, PATHS),
        st.builds("spiffe://{}{}".format, DOMAINS, PATHS),
        st.lists(SELECTORS, min_size=1, max_size=4),
    ),
    attributes=st.builds(
        Attributes,
        x509_svid_ttl=TTLS,
        jwt_svid_ttl=TTLS,
        federates_with=st.sets(DOMAINS, max_size=3).map(sorted).map(tuple),
        dns_names=st.lists(DOMAINS, max_size=3).map(tuple),
        admin=st.booleans(),
        downstream=st.booleans(),
        store_svid=st.booleans(),
        hint=st.text(max_size=10),
    ),
    expires_at=st.integers(0, 2**40),
)


@given(ENTRIES)
def test_an_entry_comes_back_as_it_went(entry: Entry) -> None:
    wire = to_proto(entry).SerializeToString()
    assert from_proto(types_pb2.Entry.FromString(wire)) == entry


@given(ENTRIES, st.randoms())
def test_the_order_of_a_server_does_not_matter(entry: Entry, random: Random) -> None:
    message = to_proto(entry)
    selectors, domains = list(message.selectors), list(message.federates_with)
    random.shuffle(selectors)
    random.shuffle(domains)
    del message.selectors[:], message.federates_with[:]
    message.selectors.extend(selectors)
    message.federates_with.extend(f"spiffe://{name}" for name in domains)
    assert from_proto(message) == entry


def test_every_attribute_can_be_masked_and_nothing_else() -> None:
    mask = attribute_mask(ATTRIBUTE_NAMES)
    assert {field.name for field, _ in mask.ListFields()} == set(ATTRIBUTE_NAMES)
    with pytest.raises(ValueError, match="selectors"):
        attribute_mask({"selectors"})


def test_what_may_be_dropped_are_attributes() -> None:
    assert set(DROPPABLE) <= {field.name for field in fields(Attributes)}
