"""Equal values of many cached objects become one."""

from api.meta import ObjectMeta, OwnerReference
from registrar.kube.sharing import MOST_WHOLE, Sharing


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
