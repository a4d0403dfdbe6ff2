"""Servers that take writes in appearance."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import JSONObject, JSONValue, merge_diff
from manager.preview.seeming import SeemingWriter, merged
from registrar.identity.entry import Attributes, Entry
from registrar.spire.entries import EntryClient
from registrar.spire.errors import AlreadyExists, InvalidArgument, NotFound
from registrar.spire.mirror import EntryMirror
from tests.support.entries import is_ours, make_entry
from tests.support.madeworld import Unreached

_LEAVES = st.one_of(st.booleans(), st.integers(-3, 3), st.text(max_size=3))
_VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
_OBJECTS: st.SearchStrategy[JSONObject] = st.dictionaries(st.text(max_size=2), _VALUES, max_size=4)


@given(old=_OBJECTS, new=_OBJECTS)
def test_a_difference_that_is_merged_gives_the_new_document(
    old: JSONObject, new: JSONObject
) -> None:
    assert merged(old, merge_diff(old, new)) == new


def the_mirror(*entries: Entry) -> EntryMirror:
    mirror = EntryMirror(EntryClient(Unreached()), is_ours=is_ours)
    for entry in entries:
        mirror.wrote(entry)
    return mirror


def a_writer(mirror: EntryMirror, foreign: Mapping[str, Entry] | None = None) -> SeemingWriter:
    return SeemingWriter(mirror, foreign or {})


async def test_what_is_created_updated_and_deleted_is_seen_in_the_mirror() -> None:
    mirror, entry = the_mirror(), make_entry()
    writer = a_writer(mirror)
    await writer.create(entry)
    assert mirror.entry_of(entry.key) == entry
    wanted = replace(entry, attributes=Attributes(hint="new", dns_names=("a.test",)))
    after = await writer.update(wanted, frozenset({"hint"}))
    assert after.attributes == replace(entry.attributes, hint="new")
    assert mirror.entry_of(entry.key) == after
    assert after.revision_number == entry.revision_number + 1
    assert await writer.delete(entry.id)
    assert not await writer.delete(entry.id)
    assert mirror.entry_of(entry.key) is None
    with pytest.raises(NotFound):
        await writer.update(wanted, frozenset({"hint"}))


async def test_an_end_that_nobody_asked_for_is_taken_away() -> None:
    entry = replace(make_entry(), expires_at=12)
    writer = a_writer(the_mirror(entry))
    after = await writer.update(replace(entry, expires_at=0), frozenset({"expires_at"}))
    assert after.expires_at == 0


async def test_what_the_server_has_already_is_refused_as_it_would() -> None:
    entry = make_entry()
    other = replace(make_entry("other"), id=entry.id)
    with pytest.raises(AlreadyExists) as raised:
        await a_writer(the_mirror(entry)).create(entry)
    assert raised.value.existing == entry
    with pytest.raises(AlreadyExists) as raised:
        await a_writer(the_mirror(), {other.id: other}).create(entry)
    assert raised.value.existing == other


async def test_what_the_protocol_cannot_say_is_refused() -> None:
    mirror = the_mirror()
    entry = replace(make_entry(), attributes=Attributes(x509_svid_ttl=2**40))
    with pytest.raises(InvalidArgument):
        await a_writer(mirror).create(entry)
    assert not mirror.own
