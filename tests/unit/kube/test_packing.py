"""Documents that are kept packed."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.packing import Packer

DOCUMENT = b'{"metadata":{"name":"web-%d","labels":{"app":"web"}},"spec":{"nodeName":"node-1"}}'


@given(st.lists(st.binary(max_size=200) | st.integers(0, 99).map(lambda n: DOCUMENT % n)))
def test_every_document_comes_back_as_it_was(documents: list[bytes]) -> None:
    packer = Packer()
    packed = [packer.pack(document) for document in documents]
    assert [packer.unpack(data) for data in reversed(packed)] == documents[::-1]


def test_what_resembles_the_first_one_takes_little() -> None:
    packer = Packer()
    documents = [DOCUMENT % number for number in range(20)]
    first, *others = [len(packer.pack(document)) for document in documents]
    assert max(others) < len(DOCUMENT) / 3
    assert first < len(DOCUMENT)
