"""Equal texts of many objects become one."""

import msgspec

from api.codec import decode
from registrar.kube import sharing
from registrar.kube.sharing import Sharing


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
    for number in range(sharing.MOST_TEXTS):
        shared.share(item("x", message=f"message {number}"))
    after = shared.share(item("after"))
    assert after.namespace == before.namespace
    assert after.namespace is not before.namespace
