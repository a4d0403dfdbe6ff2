"""The objects that are made for Pods: written behind the claim, deleted after its entry."""

import msgspec
import pytest

from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from registrar.claims.claim import Claimant
from registrar.errors import Retry
from registrar.kube.controller import Done
from tests.support.builders import make_pod
from tests.support.madeworld import KEY, OWNER, World, entry_of, made_for


async def test_the_pod_claims_before_the_object_is_written_and_names_it_after() -> None:
    world = World()
    world.put()
    await world.claiming.reconcile(KEY)
    assert [claim.uid for claim in world.claims()] == [""]
    assert world.kube.objects == {}
    await world.work()
    assert [claim.uid for claim in world.claims()] == ["made-1"]
    assert len(world.kube.objects) == 1


async def test_an_edit_of_the_pod_corrects_the_object_in_place() -> None:
    world = World()
    world.put()
    await world.work()
    world.put("shop")
    await world.work()
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    assert (obj.metadata.uid, obj.spec.spiffe_id) == ("made-1", "spiffe://example.org/shop")
    assert world.paths() == ["/shop"]


async def test_an_edit_of_the_object_is_put_right_and_claims_nothing() -> None:
    world = World()
    pod = world.put()
    world.objects.put(world.kube.stored(made_for(pod, spiffe_id="spiffe://example.org/boss")))
    await world.claiming.reconcile(KEY)
    assert world.paths() == ["/web"]
    await world.writing.reconcile(OWNER)
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    assert obj.spec.spiffe_id == "spiffe://example.org/web"


async def test_the_object_goes_only_after_its_entry() -> None:
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world = World(entry_of(pod))
    world.pods.put(pod)
    await world.work()
    world.pods.remove(KEY)
    await world.work()
    assert len(world.kube.objects) == 1
    assert world.claims() == []
    woken: list[Claimant] = []
    world.shared.wake.made = woken.append  # type: ignore[assignment]
    world.mirror.removed("p.x")
    world.writing.released(entry_of(pod).key)
    assert woken == [OWNER]
    await world.writing.reconcile(OWNER)
    assert world.kube.objects == {}


async def test_a_pod_that_no_longer_wants_an_identity_keeps_its_object_while_it_claims() -> None:
    world = World()
    world.put()
    await world.work()
    world.put("")
    # The Pod was not looked at yet: its claim stands.
    await world.writing.reconcile(OWNER)
    assert len(world.kube.objects) == 1
    await world.work()
    assert world.kube.objects == {}


async def test_what_somebody_else_wrote_under_our_name_is_never_touched() -> None:
    world = World()
    pod = world.put()
    theirs = made_for(pod)
    meta = msgspec.structs.replace(theirs.metadata, annotations={})
    world.objects.put(world.kube.stored(msgspec.structs.replace(theirs, metadata=meta)))
    before = dict(world.kube.objects)
    await world.work()
    world.pods.remove(KEY)
    await world.work()
    assert world.kube.objects == before


async def test_an_object_that_the_store_does_not_know_yet_is_tried_again() -> None:
    world = World()
    pod = world.put()
    world.kube.stored(made_for(pod))
    with pytest.raises(Retry):
        await world.writing.reconcile(OWNER)


async def test_one_that_somebody_deletes_again_and_again_waits() -> None:
    world = World()
    world.put()
    await world.work()
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    for _ in range(2):
        world.writing.deleted(obj)
    world.kube.objects.clear()
    world.objects.remove(obj.key)
    assert not isinstance(await world.writing.reconcile(OWNER), Done)
    assert world.kube.objects == {}
