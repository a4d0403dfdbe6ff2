"""In which order a server gives names and selectors: as sent when read, sorted when written.

The first DNS name becomes the common name of the certificate, so the order matters.
"""

import grpc
import pytest

from api.proto import types_pb2
from tests.conformance.spire.conftest import Target

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS.value[0]
SENT = ["c.example", "a.example", "B.example", "b.example"]
SORTED = ["B.example", "a.example", "b.example", "c.example"]
SELECTORS = ["k8s:z", "k8s:a", "docker:q"]
SELECTORS_SORTED = ["docker:q", "k8s:a", "k8s:z"]
DNS_MASK = types_pb2.EntryMask(dns_names=True)


def shown(entry: types_pb2.Entry) -> tuple[list[str], list[str]]:
    return list(entry.dns_names), [f"{s.type}:{s.value}" for s in entry.selectors]


def named(target: Target, *dns_names: str) -> types_pb2.Entry:
    entry = target.entry("/web", *SELECTORS)
    entry.dns_names.extend(dns_names)
    return entry


async def test_the_answer_to_a_creation_is_sorted_and_a_read_is_not(target: Target) -> None:
    (created,) = await target.created(named(target, *SENT))
    assert shown(created) == (SORTED, SELECTORS_SORTED)
    assert shown(await target.get(created.id)) == (SENT, SELECTORS)
    assert [shown(entry) for entry in await target.find()] == [(SENT, SELECTORS)]


async def test_a_similar_entry_is_shown_as_a_read_shows_it(target: Target) -> None:
    await target.created(named(target, *SENT))
    (result,) = await target.create(named(target, "z.example"))
    assert result.status.code == ALREADY_EXISTS
    assert shown(result.entry) == (SENT, SELECTORS)


@pytest.mark.parametrize(
    ("change", "mask"),
    [
        (types_pb2.Entry(dns_names=SENT), DNS_MASK),
        (types_pb2.Entry(hint="h"), types_pb2.EntryMask(hint=True)),
    ],
    ids=["of the names", "of something else"],
)
async def test_the_answer_to_an_update_is_sorted_and_a_read_is_not(
    target: Target, change: types_pb2.Entry, mask: types_pb2.EntryMask
) -> None:
    (created,) = await target.created(named(target, *SENT))
    update = types_pb2.Entry(id=created.id)
    update.MergeFrom(change)
    result = await target.update(update, mask)
    assert shown(result.entry) == (SORTED, SELECTORS_SORTED)
    assert shown(await target.get(created.id)) == (SENT, SELECTORS)


async def test_an_update_of_the_order_alone_changes_it(target: Target) -> None:
    (created,) = await target.created(named(target, *SENT))
    other = types_pb2.Entry(id=created.id, dns_names=SENT[::-1])
    result = await target.update(other, DNS_MASK)
    assert list(result.entry.dns_names) == SORTED
    assert list((await target.get(created.id)).dns_names) == SENT[::-1]


@pytest.mark.parametrize("what", ["dns_names", "selectors"])
async def test_what_stands_twice_is_refused_as_something_that_exists(
    target: Target, what: str
) -> None:
    """The code is that of a similar entry; there is none in the result."""
    twice = named(target, "a.example", *(["a.example"] if what == "dns_names" else []))
    if what == "selectors":
        twice.selectors.add().CopyFrom(twice.selectors[0])
    (refused,) = await target.create(twice)
    assert refused.status.code == ALREADY_EXISTS
    assert f"UNIQUE constraint failed: {what}.registered_entry_id" in refused.status.message
    assert not refused.entry.id

    (created,) = await target.created(named(target, "a.example"))
    twice.id = created.id
    result = await target.update(twice)
    assert result.status.code == ALREADY_EXISTS
    assert f"UNIQUE constraint failed: {what}.registered_entry_id" in result.status.message
    assert shown(await target.get(created.id)) == (["a.example"], SELECTORS)
