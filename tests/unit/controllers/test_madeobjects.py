"""What was made for a Pod tells what it had, after a restart; and nothing more than that."""

import pytest

from registrar.identity.entry import EntryKey
from tests.support.builders import make_pod
from tests.support.madeworld import KEY, OWNER, World, entry_of, made_for


async def test_after_a_restart_a_pod_that_is_wrong_has_what_its_object_records() -> None:
    world = World()
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world.objects.put(world.kube.stored(made_for(pod)))
    world.put("spire")
    await world.work()
    assert world.paths() == ["/web"]
    assert len(world.kube.objects) == 1
    assert "metadata.labels[spiffe]" in world.warnings["InvalidIdentity"]


async def test_after_a_restart_a_pod_that_does_not_decode_has_what_its_object_records() -> None:
    world = World()
    world.objects.put(world.kube.stored(made_for(make_pod(labels={"spiffe": "web"}, uid="u-1"))))
    world.put_broken()
    await world.work()
    assert world.paths() == ["/web"]
    assert len(world.kube.objects) == 1


@pytest.mark.parametrize("is_broken", [False, True], ids=["wrong", "undecodable"])
async def test_what_was_set_and_not_yet_recorded_stays_too(*, is_broken: bool) -> None:
    entry = entry_of(make_pod(labels={"spiffe": "web"}, uid="u-1"))
    world = World(entry)
    if is_broken:
        world.put_broken()
    else:
        world.put("spire")
    await world.work()
    assert world.paths() == ["/web"]
    assert world.shared.last_good.holds(entry.key) or entry.key in world.shared.index


@pytest.mark.parametrize("path", ["spire", "web"], ids=["wrong", "right"])
async def test_a_pod_of_the_same_name_inherits_nothing(path: str) -> None:
    old = make_pod(labels={"spiffe": "boss"}, uid="u-1")
    world = World(entry_of(old))
    world.objects.put(world.kube.stored(made_for(old)))
    world.put(path, uid="u-2")
    await world.work()
    assert world.paths() == ([] if path == "spire" else ["/web"])
    assert entry_of(old).key not in world.shared.index


async def test_an_object_that_does_not_decode_still_gives_the_claim_its_owner() -> None:
    world = World()
    pod = world.put()
    world.objects.observe_broken(made_for(pod).metadata, "odd")
    await world.work()
    assert [claim.uid for claim in world.claims()] == ["old"]
    assert world.kube.objects == {}


async def test_an_edit_while_it_was_down_is_set_before_the_old_entry_goes() -> None:
    old = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world = World(entry_of(old))
    world.objects.put(world.kube.stored(made_for(old)))
    world.put("shop")
    await world.claiming.reconcile(KEY)
    assert world.paths() == ["/shop"]
    kept = world.shared.index.winner(entry_of(old).key)
    assert kept is not None
    assert world.shared.index.is_retiring(kept)
    assert world.shared.index.settle(OWNER, lambda _: True) == {entry_of(old).key}


async def test_the_entry_of_another_object_of_the_pod_is_not_the_pods() -> None:
    """A person's ClusterSpiffeId may select the very Pod."""
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    key: EntryKey = entry_of(pod).key
    world = World(entry_of(pod))
    world.record(key, "p.x", owner="written-by-hand")
    world.put("spire")
    await world.work()
    assert world.paths() == []


async def test_an_object_that_cannot_be_made_a_claim_leaves_what_is_recorded_for_it() -> None:
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world = World(entry_of(pod))
    stored = world.kube.stored(made_for(pod, spiffe_id="spiffe://other.test/web"))
    world.objects.put(stored)
    world.record(entry_of(pod).key, "p.x", owner=stored.metadata.name, uid=stored.metadata.uid)
    world.put("spire")
    await world.work()
    assert world.paths() == ["/web"]


@pytest.mark.parametrize("path", ["spire", "web"], ids=["wrong", "right"])
async def test_an_object_that_was_edited_while_it_was_down_gives_nothing_new(path: str) -> None:
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world, boss = World(entry_of(pod)), make_pod(labels={"spiffe": "boss"}, uid="u-1")
    edited = made_for(pod, spiffe_id="spiffe://example.org/boss")
    world.objects.put(world.kube.stored(edited))
    world.put(path)
    await world.claiming.reconcile(KEY)
    assert entry_of(boss).key not in world.shared.index
    assert world.paths() == ["/web"]
