"""Documents and objects that are kept packed."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.core import Pod, PodSpec, PodStatus
from api.meta import ObjectKey, ObjectMeta, OwnerReference
from registrar.kube.packing import PackedObjects, Packer

DOCUMENT = b'{"metadata":{"name":"web-%d","labels":{"app":"web"}},"spec":{"nodeName":"node-1"}}'
STATUS = b'{"phase":"Running","podIP":"10.0.0.%d","qosClass":"BestEffort","startTime":"now"}'

texts = st.text(st.characters(codec="utf-8"), max_size=20)
pods = st.builds(
    Pod,
    metadata=st.builds(
        ObjectMeta,
        name=texts,
        namespace=st.sampled_from(["shop", "bank", ""]),
        uid=texts,
        generation=st.integers(0, 2**70),
        creation_timestamp=st.none() | texts,
        labels=st.dictionaries(texts, texts, max_size=3),
        owner_references=st.lists(
            st.builds(OwnerReference, name=texts, controller=st.none() | st.booleans()), max_size=2
        ).map(tuple),
    ),
    spec=st.builds(PodSpec, node_name=texts),
    status=st.builds(PodStatus, phase=texts),
)


@pytest.mark.parametrize("learns", [False, True])
@given(st.lists(st.binary(max_size=200) | st.integers(0, 99).map(lambda n: DOCUMENT % n)))
def test_every_document_comes_back_as_it_was(learns: bool, documents: list[bytes]) -> None:
    packer = Packer(learns=learns)
    packed = [packer.pack(document) for document in documents]
    assert [packer.unpack(data) for data in reversed(packed)] == documents[::-1]


def test_what_was_packed_with_an_earlier_dictionary_is_unpacked_with_it() -> None:
    packer = Packer(learns=True)
    documents = [(STATUS if number % 2 else DOCUMENT) % number for number in range(300)]
    packed = [packer.pack(document) for document in documents]
    assert [packer.unpack(data) for data in packed] == documents
    assert len({data[0] for data in packed}) > 1


def test_what_resembles_the_first_one_takes_little() -> None:
    packer = Packer()
    documents = [DOCUMENT % number for number in range(20)]
    first, *others = [len(packer.pack(document)) for document in documents]
    assert max(others) < len(DOCUMENT) / 3
    assert first < len(DOCUMENT)


def test_equal_documents_are_packed_alike_by_what_does_not_learn() -> None:
    packer = Packer()
    assert len({packer.pack(DOCUMENT % 1) for _ in range(300)}) == 1


def test_what_learns_packs_what_it_did_not_see_first() -> None:
    packer = Packer(learns=True)
    packed = [packer.pack(DOCUMENT % 0), *(packer.pack(STATUS % number) for number in range(30))]
    assert len(packed[-1]) < len(packed[1]) / 2


@given(st.lists(pods, max_size=6))
def test_objects_come_back_as_they_were(found: list[Pod]) -> None:
    packed, model = PackedObjects(Pod), dict[ObjectKey, Pod]()
    for pod in found:
        packed[pod.key] = model[pod.key] = pod
    assert dict(packed) == model
    assert list(packed) == list(model)
    assert list(packed.values()) == list(model.values())
    for key in model:
        assert key in packed
        assert packed.pop(key) == model[key]
        assert packed.get(key) is None
    assert not packed


def test_an_object_takes_a_fraction_of_what_it_takes_decoded() -> None:
    packed = PackedObjects(Pod)
    for number in range(100):
        meta = ObjectMeta(name=f"web-{number}", namespace="shop", labels={"app": "web"})
        packed[meta.key] = Pod(metadata=meta, spec=PodSpec(node_name="node-1"))
    held = sum(map(sys.getsizeof, vars(packed)["_held"].values()))
    assert held < 100 * 100
