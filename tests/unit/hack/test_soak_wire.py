"""The soak's own reading of Protocol Buffers, held to the library's."""

import pytest

from api.proto.entry_pb2 import BatchCreateEntryRequest, BatchCreateEntryResponse
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from hack.soak import wire
from hack.soak.spireproxy import spoiled


def an_entry() -> Entry:
    return Entry(
        id="soak-1.web",
        spiffe_id=SPIFFEID(trust_domain="example.org", path="/web"),
        selectors=[Selector(type="k8s", value="ns:a"), Selector(type="k8s", value="sa:b")],
        x509_svid_ttl=2**31 - 1,
        admin=True,
        hint="grün",
    )


def test_reads_what_the_library_writes() -> None:
    found = wire.decode(an_entry().SerializeToString())
    assert wire.text(found, 1) == "soak-1.web"
    assert [wire.text(each, 2) for each in wire.messages(found, 4)] == ["ns:a", "sa:b"]
    assert wire.integer(found, 5) == 2**31 - 1
    assert wire.integer(found, 7) == 1
    assert wire.text(found, 14) == "grün"
    assert (wire.text(found, 10), wire.integer(found, 13)) == ("", 0)


def test_writes_what_the_library_reads() -> None:
    selector = wire.encode(1, "k8s") + wire.encode(2, "ns:" + "a" * 300)
    data = wire.encode(1, "x") + wire.encode(4, selector) + wire.encode(5, 70_000)
    found = Entry.FromString(data)
    assert (found.id, found.x509_svid_ttl) == ("x", 70_000)
    assert found.selectors[0].value == "ns:" + "a" * 300


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x08\x80", b"\x0b", b"\x08" + b"\x80" * 20])
def test_refuses_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        wire.decode(data)


def test_spoils_each_item_of_a_batch() -> None:
    request = BatchCreateEntryRequest(entries=[an_entry(), an_entry()]).SerializeToString()
    answer = BatchCreateEntryResponse.FromString(spoiled(request))
    assert [result.status.code for result in answer.results] == [13, 13]
