"""What a SPIRE server shows: single entries, pages, masks, filters, counts."""

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, StringValue

from api.proto import entry_pb2, entry_pb2_grpc, types_pb2
from devcluster.spire.authority import Authority
from tests.conformance.spire.conftest import DEADLINE_SECONDS, Target, selector

Match = types_pb2.SelectorMatch
Federation = types_pb2.FederatesWithMatch


async def test_an_entry_that_is_not_there_is_not_found(target: Target) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await target.get(f"{target.corner}.nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_an_empty_id_is_an_invalid_argument(target: Target) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await target.get("")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_mask_shows_the_id_and_the_fields_that_it_names(target: Target) -> None:
    given = target.entry()
    given.hint, given.x509_svid_ttl, given.admin = "h", 60, True
    (stored,) = await target.created(given)
    stub = entry_pb2_grpc.EntryStub(target.channel)

    one = await stub.GetEntry(
        entry_pb2.GetEntryRequest(id=stored.id, output_mask=types_pb2.EntryMask(hint=True)),
        timeout=DEADLINE_SECONDS,
    )
    assert one == types_pb2.Entry(id=stored.id, hint="h")

    (listed,) = await target.find(types_pb2.EntryMask(x509_svid_ttl=True, admin=True))
    assert listed == types_pb2.Entry(id=stored.id, x509_svid_ttl=60, admin=True)

    (bare,) = await target.find(types_pb2.EntryMask())
    assert bare == types_pb2.Entry(id=stored.id)


async def test_results_of_writes_are_masked_too(target: Target) -> None:
    stub = entry_pb2_grpc.EntryStub(target.channel)
    mask = types_pb2.EntryMask(revision_number=True)
    response = await stub.BatchCreateEntry(
        entry_pb2.BatchCreateEntryRequest(entries=[target.entry()], output_mask=mask),
        timeout=DEADLINE_SECONDS,
    )
    entry = response.results[0].entry
    assert entry == types_pb2.Entry(id=entry.id)
    updated = await stub.BatchUpdateEntry(
        entry_pb2.BatchUpdateEntryRequest(
            entries=[types_pb2.Entry(id=entry.id, hint="h")],
            input_mask=types_pb2.EntryMask(hint=True),
            output_mask=mask,
        ),
        timeout=DEADLINE_SECONDS,
    )
    assert updated.results[0].entry == types_pb2.Entry(id=entry.id, revision_number=1)


@pytest.mark.parametrize("page_size", [1, 3, 7, 100])
async def test_pages_hold_every_entry_once_in_the_order_of_creation(
    target: Target, page_size: int
) -> None:
    made = await target.created(*[target.entry(f"/w{number}") for number in range(7)])
    stub = entry_pb2_grpc.EntryStub(target.channel)
    seen: list[str] = []
    token = ""
    for _ in range(20):
        page = await stub.ListEntries(
            entry_pb2.ListEntriesRequest(
                filter=target.in_corner, page_size=page_size, page_token=token
            ),
            timeout=DEADLINE_SECONDS,
        )
        assert len(page.entries) <= page_size
        seen += [entry.id for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert seen == [entry.id for entry in made]


async def test_a_page_goes_on_after_an_entry_that_was_deleted_meanwhile(target: Target) -> None:
    made = await target.created(*[target.entry(f"/w{number}") for number in range(4)])
    stub = entry_pb2_grpc.EntryStub(target.channel)
    request = entry_pb2.ListEntriesRequest(filter=target.in_corner, page_size=2)
    first = await stub.ListEntries(request, timeout=DEADLINE_SECONDS)
    await target.delete(made[1].id)
    request.page_token = first.next_page_token
    second = await stub.ListEntries(request, timeout=DEADLINE_SECONDS)
    assert [entry.id for entry in second.entries] == [made[2].id, made[3].id]


async def test_entries_are_found_by_spiffe_id_and_by_parent(target: Target) -> None:
    one, two = await target.created(target.entry("/one"), target.entry("/two"))
    assert [e.id for e in await target.find(by_spiffe_id=one.spiffe_id)] == [one.id]
    assert {e.id for e in await target.find(by_parent_id=target.parent)} == {one.id, two.id}
    assert await target.find(by_parent_id=target.spiffe_id("/nobody")) == []


def selectors(match: "Match.MatchBehavior.ValueType", *texts: str) -> types_pb2.SelectorMatch:
    return Match(selectors=[selector(text) for text in texts], match=match)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match.MATCH_EXACT, {"/ab"}),
        (Match.MATCH_SUBSET, {"/a", "/ab"}),
        (Match.MATCH_SUPERSET, {"/ab", "/abc"}),
        (Match.MATCH_ANY, {"/a", "/ab", "/abc"}),
    ],
    ids=["exact", "subset", "superset", "any"],
)
async def test_entries_are_found_by_selectors(
    target: Target, match: "Match.MatchBehavior.ValueType", expected: set[str]
) -> None:
    await target.created(
        target.entry("/a", "k8s:a"),
        target.entry("/ab", "k8s:a", "k8s:b"),
        target.entry("/abc", "k8s:a", "k8s:b", "k8s:c"),
        target.entry("/d", "k8s:d"),
    )
    found = await target.find(by_selectors=selectors(match, "k8s:b", "k8s:a"))
    paths = {entry.spiffe_id.path.removeprefix(f"/{target.corner}") for entry in found}
    assert paths == expected


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Federation.MATCH_EXACT, {"/one"}),
        (Federation.MATCH_SUBSET, {"/one"}),
        (Federation.MATCH_SUPERSET, {"/one", "/both"}),
        (Federation.MATCH_ANY, {"/one", "/both"}),
    ],
    ids=["exact", "subset", "superset", "any"],
)
async def test_entries_are_found_by_whom_they_federate_with(
    target: Target, match: "Federation.MatchBehavior.ValueType", expected: set[str]
) -> None:
    one, two = target.foreign_domain(), target.foreign_domain()
    for name in (one, two):
        der = Authority(name).certificate_der
        await target.set_bundle(
            types_pb2.Bundle(
                trust_domain=name, x509_authorities=[types_pb2.X509Certificate(asn1=der)]
            )
        )
    entries = {path: target.entry(path) for path in ("/one", "/both", "/none")}
    entries["/one"].federates_with.append(one)
    entries["/both"].federates_with.extend([one, two])
    await target.created(*entries.values())

    found = await target.find(by_federates_with=Federation(trust_domains=[one], match=match))

    paths = {entry.spiffe_id.path.removeprefix(f"/{target.corner}") for entry in found}
    assert paths == expected


async def test_entries_are_found_by_hint_and_by_downstream(target: Target) -> None:
    hinted, downstream, plain = target.entry("/h"), target.entry("/d"), target.entry("/p")
    hinted.hint, downstream.downstream = "h", True
    one, two, _ = await target.created(hinted, downstream, plain)
    assert [e.id for e in await target.find(by_hint=StringValue(value="h"))] == [one.id]
    assert [e.id for e in await target.find(by_downstream=BoolValue(value=True))] == [two.id]


async def test_entries_that_are_not_downstream_can_not_be_asked_for(target: Target) -> None:
    downstream, plain = target.entry("/d"), target.entry("/p")
    downstream.downstream = True
    both = {entry.id for entry in await target.created(downstream, plain)}
    no = BoolValue(value=False)
    assert {entry.id for entry in await target.find(by_downstream=no)} == both
    request = entry_pb2.CountEntriesRequest()
    request.filter.by_parent_id.CopyFrom(target.parent)
    request.filter.by_downstream.CopyFrom(no)
    stub = entry_pb2_grpc.EntryStub(target.channel)
    assert (await stub.CountEntries(request, timeout=DEADLINE_SECONDS)).count == 2


async def test_all_parts_of_a_filter_must_hold(target: Target) -> None:
    await target.created(target.entry("/a", "k8s:a"), target.entry("/b", "k8s:a"))
    found = await target.find(
        by_spiffe_id=target.spiffe_id("/a"), by_selectors=selectors(Match.MATCH_EXACT, "k8s:a")
    )
    assert [entry.spiffe_id for entry in found] == [target.spiffe_id("/a")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by_spiffe_id", types_pb2.SPIFFEID(trust_domain="elsewhere.test", path="/a")),
        ("by_parent_id", types_pb2.SPIFFEID(trust_domain="elsewhere.test", path="/a")),
        ("by_selectors", types_pb2.SelectorMatch()),
        ("by_selectors", Match(selectors=[types_pb2.Selector(type="k8s")])),
        ("by_federates_with", types_pb2.FederatesWithMatch()),
    ],
    ids=["spiffe-id", "parent", "no-selectors", "bad-selector", "no-domains"],
)
async def test_a_malformed_filter_is_an_invalid_argument(
    target: Target, name: str, value: Message
) -> None:
    request = entry_pb2.ListEntriesRequest()
    getattr(request.filter, name).CopyFrom(value)
    stub = entry_pb2_grpc.EntryStub(target.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListEntries(request, timeout=DEADLINE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_counting_counts_what_listing_would_show(target: Target) -> None:
    await target.created(target.entry("/a"), target.entry("/b"))
    stub = entry_pb2_grpc.EntryStub(target.channel)
    request = entry_pb2.CountEntriesRequest()
    request.filter.by_parent_id.CopyFrom(target.parent)
    response = await stub.CountEntries(request, timeout=DEADLINE_SECONDS)
    assert response.count == 2
