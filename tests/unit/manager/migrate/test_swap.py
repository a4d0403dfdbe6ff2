"""A container that was taken out comes back to the place that it had."""

import pytest

from api.codec import JSONObject
from manager.migrate.installation import Installation, Place
from manager.migrate.peers import PEERS
from manager.migrate.swap import with_container

PEER = PEERS["spire-controller-manager"]
PLACE = Place("Deployment", "spire", "server", "peer")


def a_workload(*names: str) -> JSONObject:
    return {"spec": {"template": {"spec": {"containers": [{"name": name} for name in names]}}}}


@pytest.mark.parametrize(
    ("was", "is_now", "then"),
    [
        (["peer", "a", "b"], ["a", "b"], ["peer", "a", "b"]),
        (["a", "peer", "b"], ["a", "b"], ["a", "peer", "b"]),
        (["a", "b", "peer"], ["a", "b"], ["a", "b", "peer"]),
        (["a", "peer", "b"], ["new", "a", "new-too", "b"], ["new", "a", "peer", "new-too", "b"]),
        (["a", "peer", "b"], ["b"], ["peer", "b"]),
        (["a", "peer"], ["peer", "a"], ["peer", "a"]),
    ],
    ids=["first", "between", "last", "others-have-come", "another-has-gone", "was-moved"],
)
def test_it_comes_back_to_its_place(was: list[str], is_now: list[str], then: list[str]) -> None:
    installation = Installation(PEER, PLACE, a_workload(*was), {"name": "peer"})
    assert with_container(a_workload(*is_now), installation, {"name": "peer"}) == a_workload(*then)
