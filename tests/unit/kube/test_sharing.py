"""Equal values of many cached objects become one."""

import msgspec

from api.codec import decode
from api.meta import ObjectMeta, OwnerReference
from registrar.kube.sharing import MOST_TEXTS, MOST_WHOLE, Sharing


class Condition(msgspec.Struct, frozen=True):
    type: str
    message: str


class Item(msgspec.Struct, frozen=True):
    name: str
    namespace: str
    conditions: tuple[Condition, ...] = ()


def item(name: str, namespace: str = "shop", message: str = "all is well") -> Item:
    """Decoded, so that each text is one of its own."""
    fields = {"name": name, "namespace": namespace}
    conditions = [{"type": "Ready", "message": message}]
    return decode(msgspec.json.encode({**fields, "conditions": conditions}), Item)


def test_texts_that_repeat_are_one_and_nothing_else_is_changed() -> None:
    shared = Sharing()
    one, two = shared.share(item("one")), shared.share(item("two"))
    assert (one, two) == (item("one"), item("two"))
    assert one.namespace is two.namespace
    assert one.conditions[0].type is two.conditions[0].type
    assert one.conditions[0].message is two.conditions[0].message


def test_texts_that_do_not_repeat_are_left_alone() -> None:
    shared = Sharing()
    one, two = shared.share(item("same")), shared.share(item("same"))
    assert one.name == two.name
    assert one.name is not two.name


def test_the_memory_of_texts_is_bounded() -> None:
    shared = Sharing()
    before = shared.share(item("before"))
    for number in range(MOST_TEXTS):
        shared.share(item("x", message=f"message {number}"))
    after = shared.share(item("after"))
    assert after.namespace == before.namespace
    assert after.namespace is not before.namespace


def meta(number: int, owner: str = "same") -> ObjectMeta:
    return ObjectMeta(
        name=f"web-{number}",
        namespace=f"shop-{number // MOST_WHOLE}",
        labels={"app": "web"},
        owner_references=(OwnerReference(kind="ReplicaSet", name=owner, uid=owner),),
    )


def test_siblings_have_their_namespace_labels_and_owner_in_common() -> None:
    sharing = Sharing()
    first, second = sharing.share(meta(1)), sharing.share(meta(2))
    assert first.namespace is second.namespace
    assert first.labels is second.labels
    assert first.owner_references is second.owner_references
    assert (first.name, second.name) == ("web-1", "web-2")


def test_what_differs_stays_apart() -> None:
    sharing = Sharing()
    first, second = sharing.share(meta(1)), sharing.share(meta(2, "another"))
    assert first.owner_references[0].name == "same"
    assert second.owner_references[0].name == "another"


def test_many_that_are_unlike_all_others_do_not_fill_the_memory() -> None:
    sharing = Sharing()
    for number in range(3 * MOST_WHOLE):
        shared = sharing.share(meta(number, str(number)))
        assert shared.owner_references[0].name == str(number)
    first, second = sharing.share(meta(1)), sharing.share(meta(2))
    assert first.owner_references is second.owner_references
