"""What a SPIRE server does when entries are created, updated and deleted."""

import time
import uuid
from collections.abc import Callable

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.authority import Authority
from tests.conformance.spire.conftest import Target, selector

OK = 0
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS.value[0]
INTERNAL = grpc.StatusCode.INTERNAL.value[0]


def bundle_of(trust_domain: str) -> types_pb2.Bundle:
    return types_pb2.Bundle(
        trust_domain=trust_domain,
        x509_authorities=[types_pb2.X509Certificate(asn1=Authority(trust_domain).certificate_der)],
    )


async def test_created_entries_come_back_in_order_and_complete(target: Target) -> None:
    first, second = target.entry("/one", "k8s:ns:a", "k8s:sa:b"), target.entry("/two")
    first.x509_svid_ttl, first.jwt_svid_ttl, first.hint = 120, 60, "internal"
    first.dns_names.extend(["b.example", "a.example"])
    began = int(time.time())

    one, two = await target.created(first, second)

    assert [one.spiffe_id.path, two.spiffe_id.path] == [
        f"/{target.corner}/one",
        f"/{target.corner}/two",
    ]
    assert {(s.type, s.value) for s in one.selectors} == {("k8s", "ns:a"), ("k8s", "sa:b")}
    assert (one.x509_svid_ttl, one.jwt_svid_ttl, one.hint) == (120, 60, "internal")
    assert set(one.dns_names) == {"b.example", "a.example"}
    assert one.revision_number == 0
    assert abs(one.created_at - began) < 60
    # Names and selectors have another order in a write's answer: see test_order.py.
    held = await target.get(two.id)
    assert held == two


async def test_without_an_id_the_server_makes_a_uuid(target: Target) -> None:
    (entry,) = await target.created(target.entry())
    assert str(uuid.UUID(entry.id)) == entry.id


@pytest.mark.parametrize("form", ["{}", "A.b-c_{}", "{:x<255}"])
async def test_a_chosen_id_is_kept(target: Target, form: str) -> None:
    given = target.entry()
    given.id = form.format(target.corner)
    (entry,) = await target.created(given)
    assert entry.id == given.id
    assert (await target.get(given.id)).spiffe_id == given.spiffe_id


async def test_a_chosen_id_that_another_entry_has_fails_that_entry_alone(target: Target) -> None:
    taken, fine = target.entry("/one"), target.entry("/three")
    taken.id = target.corner
    await target.created(taken)
    other = target.entry("/two")
    other.id = target.corner

    refused, accepted = await target.create(other, fine)

    assert refused.status.code == ALREADY_EXISTS
    assert "UNIQUE constraint failed: registered_entries.entry_id" in refused.status.message
    assert not refused.entry.id
    assert accepted.status.code == OK
    assert (await target.get(target.corner)).spiffe_id == taken.spiffe_id


async def test_a_similar_entry_is_reported_with_the_one_that_exists(target: Target) -> None:
    given = target.entry("/web", "k8s:ns:a", "k8s:sa:b")
    given.x509_svid_ttl = 100
    (created,) = await target.created(given)
    existing = await target.get(created.id)
    again = target.entry("/web", "k8s:sa:b", "k8s:ns:a")
    again.x509_svid_ttl, again.hint, again.id = 200, "other", f"{target.corner}.again"

    (result,) = await target.create(again)

    assert result.status.code == ALREADY_EXISTS
    assert result.status.message == "similar entry already exists"
    assert result.entry == existing
    assert await target.get(existing.id) == existing


async def test_the_key_is_spiffe_id_parent_and_selectors(target: Target) -> None:
    base = target.entry("/web", "k8s:ns:a")
    other_path = target.entry("/api", "k8s:ns:a")
    more_selectors = target.entry("/web", "k8s:ns:a", "k8s:sa:b")
    other_parent = target.entry("/web", "k8s:ns:a")
    other_parent.parent_id.CopyFrom(target.spiffe_id("/other-node"))
    await target.created(base, other_path, more_selectors, other_parent)


async def test_a_call_is_ok_even_if_every_entry_of_it_failed(target: Target) -> None:
    bad = target.entry()
    bad.ClearField("selectors")
    results = await target.create(bad, bad)
    assert [result.status.code for result in results] == [INVALID_ARGUMENT] * 2


def _set(name: str, value: object) -> Callable[[types_pb2.Entry], None]:
    return lambda entry: setattr(entry, name, value)


def _path(path: str) -> Callable[[types_pb2.Entry], None]:
    return lambda entry: setattr(entry.spiffe_id, "path", path)


def _extend(name: str, *values: str) -> Callable[[types_pb2.Entry], None]:
    return lambda entry: getattr(entry, name).extend(values)


def _selectors(*texts: str) -> Callable[[types_pb2.Entry], None]:
    def change(entry: types_pb2.Entry) -> None:
        del entry.selectors[:]
        entry.selectors.extend(selector(text) for text in texts)

    return change


def _stored_with_mixed_selectors(entry: types_pb2.Entry) -> None:
    entry.store_svid = True
    _selectors("k8s:ns:a", "unix:uid:1")(entry)


INVALID = {
    "foreign-trust-domain": lambda e: setattr(e.spiffe_id, "trust_domain", "elsewhere.test"),
    "foreign-parent": lambda e: setattr(e.parent_id, "trust_domain", "elsewhere.test"),
    "no-path": _path(""),
    "trailing-slash": _path("/a/"),
    "empty-segment": _path("/a//b"),
    "dot-segment": _path("/a/../b"),
    "bad-character": _path("/a b"),
    "reserved-path": _path("/spire/agent/x"),
    "no-spiffe-id": lambda e: e.ClearField("spiffe_id"),
    "no-parent": lambda e: e.ClearField("parent_id"),
    "no-selectors": _selectors(),
    "selector-without-type": _selectors(":value"),
    "selector-without-value": _selectors("k8s:"),
    "bad-dns-name": _extend("dns_names", "my--svc"),
    "empty-dns-label": _extend("dns_names", "a..b"),
    "bad-federated-domain": _extend("federates_with", "not/a domain"),
    "long-hint": _set("hint", "h" * 1025),
    "store-svid-mixed": _stored_with_mixed_selectors,
    "negative-x509-ttl": _set("x509_svid_ttl", -1),
    "negative-jwt-ttl": _set("jwt_svid_ttl", -1),
    "long-id": _set("id", "i" * 256),
    "bad-id": _set("id", "a/b"),
}


@pytest.mark.parametrize("spoil", INVALID.values(), ids=INVALID.keys())
async def test_invalid_input_is_an_invalid_argument_for_that_entry(
    target: Target, spoil: Callable[[types_pb2.Entry], None]
) -> None:
    bad = target.entry("/bad")
    spoil(bad)
    refused, accepted = await target.create(bad, target.entry("/good"))
    assert refused.status.code == INVALID_ARGUMENT, refused.status.message
    assert accepted.status.code == OK


async def test_a_hint_of_1024_characters_is_accepted(target: Target) -> None:
    entry = target.entry()
    entry.hint = "h" * 1024
    await target.created(entry)


async def test_a_parent_may_be_in_the_reserved_namespace(target: Target) -> None:
    entry = target.entry()
    entry.parent_id.path = f"/spire/agent/{target.corner}"
    await target.created(entry)


async def test_federating_with_an_unknown_trust_domain_fails_until_its_bundle_is_there(
    target: Target,
) -> None:
    other = target.foreign_domain()
    entry = target.entry()
    entry.federates_with.append(other)

    (refused,) = await target.create(entry)
    assert refused.status.code == INTERNAL
    assert f'unable to find federated bundle "spiffe://{other}"' in refused.status.message

    assert (await target.set_bundle(bundle_of(other))).code == OK
    (stored,) = await target.created(entry)
    assert list(stored.federates_with) == [other]


async def test_federated_trust_domains_may_be_written_as_ids(target: Target) -> None:
    other = target.foreign_domain()
    await target.set_bundle(bundle_of(other))
    entry = target.entry()
    entry.federates_with.append(f"spiffe://{other}")
    (stored,) = await target.created(entry)
    assert [name.removeprefix("spiffe://") for name in stored.federates_with] == [other]


async def test_an_update_with_a_mask_changes_only_what_it_names(target: Target) -> None:
    given = target.entry()
    given.hint, given.x509_svid_ttl = "before", 100
    (stored,) = await target.created(given)
    change = types_pb2.Entry(id=stored.id, hint="after", x509_svid_ttl=999)

    result = await target.update(change, types_pb2.EntryMask(hint=True))

    assert result.status.code == OK
    expected = types_pb2.Entry()
    expected.CopyFrom(stored)
    expected.hint, expected.revision_number = "after", 1
    assert result.entry == expected
    assert await target.get(stored.id) == expected


async def test_an_update_without_a_mask_overwrites_everything_even_with_nothing(
    target: Target,
) -> None:
    given = target.entry()
    given.hint, given.x509_svid_ttl, given.admin = "before", 100, True
    given.dns_names.append("a.example")
    (stored,) = await target.created(given)
    bare = target.entry("/web", "k8s:ns:elsewhere")
    bare.id = stored.id

    result = await target.update(bare)

    assert result.status.code == OK
    held = await target.get(stored.id)
    assert (held.hint, held.x509_svid_ttl, held.admin) == ("", 0, False)
    assert not held.dns_names
    assert [s.value for s in held.selectors] == ["ns:elsewhere"]
    assert held.revision_number == 1


async def test_every_update_counts_even_one_that_changes_nothing(target: Target) -> None:
    (stored,) = await target.created(target.entry())
    same = types_pb2.Entry(id=stored.id)
    for expected in (1, 2):
        result = await target.update(same, types_pb2.EntryMask(hint=True))
        assert result.entry.revision_number == expected


async def test_updating_what_is_not_there_is_not_found_for_that_entry(target: Target) -> None:
    entry = target.entry()
    entry.id = f"{target.corner}.nobody"
    result = await target.update(entry, types_pb2.EntryMask(hint=True))
    assert result.status.code == NOT_FOUND


async def test_an_update_may_make_two_entries_alike(target: Target) -> None:
    first, second = await target.created(target.entry("/one"), target.entry("/two"))
    change = types_pb2.Entry(id=second.id, spiffe_id=first.spiffe_id)
    result = await target.update(change, types_pb2.EntryMask(spiffe_id=True))
    assert result.status.code == OK
    found = await target.find(by_spiffe_id=first.spiffe_id)
    assert {entry.id for entry in found} == {first.id, second.id}


async def test_an_update_to_an_unknown_federation_fails_and_changes_nothing(
    target: Target,
) -> None:
    (stored,) = await target.created(target.entry())
    change = types_pb2.Entry(id=stored.id, federates_with=[target.foreign_domain()])
    result = await target.update(change, types_pb2.EntryMask(federates_with=True))
    assert result.status.code == INTERNAL
    assert await target.get(stored.id) == stored


@pytest.mark.parametrize(
    ("change", "mask"),
    [
        (types_pb2.Entry(x509_svid_ttl=-1), types_pb2.EntryMask(x509_svid_ttl=True)),
        (types_pb2.Entry(dns_names=["name."]), types_pb2.EntryMask(dns_names=True)),
        (types_pb2.Entry(), types_pb2.EntryMask(selectors=True)),
        (types_pb2.Entry(hint="h" * 1025), types_pb2.EntryMask(hint=True)),
    ],
    ids=["ttl", "dns", "selectors", "hint"],
)
async def test_an_invalid_update_is_an_invalid_argument(
    target: Target, change: types_pb2.Entry, mask: types_pb2.EntryMask
) -> None:
    (stored,) = await target.created(target.entry())
    update = types_pb2.Entry(id=stored.id)
    update.MergeFrom(change)
    assert (await target.update(update, mask)).status.code == INVALID_ARGUMENT
    assert await target.get(stored.id) == stored


async def test_each_deletion_has_a_result_and_a_missing_entry_is_not_found(
    target: Target,
) -> None:
    (stored,) = await target.created(target.entry())
    nobody = f"{target.corner}.nobody"

    gone, missing = await target.delete(stored.id, nobody)

    assert (gone.id, gone.status.code) == (stored.id, OK)
    assert (missing.id, missing.status.code) == (nobody, NOT_FOUND)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await target.get(stored.id)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_deleted_id_may_be_used_again_and_starts_anew(target: Target) -> None:
    given = target.entry()
    given.id = target.corner
    (stored,) = await target.created(given)
    await target.update(types_pb2.Entry(id=stored.id), types_pb2.EntryMask(hint=True))
    await target.delete(stored.id)
    (again,) = await target.created(given)
    assert again.revision_number == 0


async def test_a_request_over_four_mebibytes_is_refused_as_a_whole(target: Target) -> None:
    entry = target.entry()
    entry.hint = "h" * (5 * 1024 * 1024)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await target.create(entry)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
