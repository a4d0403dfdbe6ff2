"""One Pod: gathered, judged by rules, claimed, reported; also when it changes meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from api.core import Node, Pod
from api.meta import ObjectKey, ObjectMeta
from controllers.pods import NodeReconciler, PodReconciler
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.podentry import pod_source
from registrar.claims.podrules import INVALID_IDENTITY, Wanted, wrong
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.store import Store
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.builders import make_key, make_pod
from tests.support.madeworld import Unreached
from tests.support.shared import a_shared_state

KEY = ObjectKey("shop", "web-0")
SOURCE = pod_source(KEY)


def claim(pod: Pod, path: str) -> Claim:
    """What a Pod claims."""
    return Claim(
        source=SOURCE,
        key=make_key(path),
        attributes=Attributes(),
        origin=Origin.POD,
        uid=pod.metadata.uid,
    )


@dataclass
class World:
    """Pods whose annotation ``id`` is the path that they want; each rule takes a turn."""

    pods: dict[ObjectKey, Pod] = field(default_factory=dict)
    unknown: set[ObjectKey] = field(default_factory=set)
    held: list[Claim] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seen: list[Claimant] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.shared = a_shared_state()
        self.mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
        self.reconciler: PodReconciler[Pod, Pod, Wanted] = PodReconciler(
            self.shared,
            gather=self,
            rules=self,
            held=Held(self),
            report=Report(self),
            mirror=self.mirror,
            on_pod=self.seen.append,
        )

    def put(self, path: str, uid: str = "u-1") -> None:
        self.pods[KEY] = make_pod(uid=uid, annotations={"id": path})

    def pod(self, key: ObjectKey) -> Pod | None:
        return self.pods.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        return key in self.unknown

    def sign(self, key: ObjectKey, pod: Pod | None) -> Sign | None:  # noqa: ARG002 - the protocol's
        return pod_source(key)

    def view(self, pod: Pod, last_good: Callable[[], Sequence[Claim]]) -> Pod:  # noqa: ARG002 - the protocol's
        return pod

    def is_current(self, pod: Pod, view: Pod) -> bool:
        return pod is view

    def gone(self, key: ObjectKey) -> None:
        self.unknown.discard(key)

    async def want(self, view: Pod) -> Wanted:
        change, self.meanwhile = self.meanwhile, lambda: None
        change()
        await asyncio.sleep(0)
        path = view.metadata.annotations["id"]
        if path == "bad":
            return wrong(INVALID_IDENTITY, "bad")
        return Wanted(claims=(claim(view, path),) if path else ())

    async def reconcile(self) -> list[str]:
        """Reconcile the Pod; gives the paths that it claims."""
        await self.reconciler.reconcile(KEY)
        return [c.key.spiffe_id.removeprefix("spiffe://example.org") for c in self.claims()]

    def claims(self) -> list[Claim]:
        return self.shared.index.of_source(SOURCE)


class Held:
    """What the SPIRE server holds."""

    def __init__(self, world: World) -> None:
        self._world = world

    def claims(self, source: Claimant, uid: str) -> list[Claim]:  # noqa: ARG002 - the protocol's
        return self._world.held

    def last_good(self, source: Claimant, uid: str) -> list[Claim]:  # noqa: ARG002 - the protocol's
        return [c for c in self._world.held if c.uid == uid]

    def keep(self, source: Claimant, sign: Sign | None) -> set[EntryKey]:  # noqa: ARG002 - the protocol's
        return self._world.shared.index.replace(source, self._world.held)

    def may_have(self, claim: Claim, uid: str) -> bool:
        return claim.uid in {"", uid}

    def known(self, source: Claimant) -> None:
        pass


class Report:
    """What people are told."""

    def __init__(self, world: World) -> None:
        self._world = world

    def tell(self, pod: Pod, wanted: Wanted) -> None:  # noqa: ARG002 - the protocol's
        # What is told is claimed already.
        self._world.told += [c.key.spiffe_id for c in self._world.claims()]

    def gone(self, key: ObjectKey) -> None:
        self._world.told.append(f"{key} is gone")


async def test_a_pod_claims_and_is_told_of_after_that() -> None:
    world = World()
    world.put("/web")
    assert await world.reconcile() == ["/web"]
    assert world.told == ["spiffe://example.org/web"]
    assert world.seen == [SOURCE]
    world.put("/shop")
    assert await world.reconcile() == ["/shop"]
    assert world.seen == [SOURCE]


async def test_a_pod_that_changes_while_the_rules_work_is_judged_anew() -> None:
    world = World()
    world.put("/web")
    world.meanwhile = lambda: world.put("/shop")
    assert await world.reconcile() == ["/shop"]


async def test_a_pod_that_goes_meanwhile_claims_nothing() -> None:
    world = World()
    world.put("/web")
    world.meanwhile = world.pods.clear
    assert await world.reconcile() == []
    assert world.told == ["shop/web-0 is gone"]


async def test_a_pod_that_cannot_be_read_any_more_meanwhile_keeps_what_it_had() -> None:
    world = World()
    world.put("/web")
    await world.reconcile()
    world.held = world.claims()

    def break_it() -> None:
        world.pods.clear()
        world.unknown.add(KEY)

    world.meanwhile = break_it
    assert await world.reconcile() == ["/web"]
    assert "shop/web-0 is gone" not in world.told


async def test_a_pod_that_becomes_wrong_keeps_what_it_had() -> None:
    world = World()
    world.put("/web")
    await world.reconcile()
    world.put("bad")
    assert await world.reconcile() == ["/web"]


async def test_one_that_replaces_it_and_is_wrong_inherits_nothing() -> None:
    world = World()
    world.put("/web")
    await world.reconcile()
    world.put("bad", uid="u-2")
    assert await world.reconcile() == []


async def test_a_pod_that_is_wrong_at_a_start_has_what_the_server_holds_for_it() -> None:
    world = World()
    world.put("bad")
    its_own = claim(world.pods[KEY], "/own")
    world.held = [its_own, replace(its_own, key=make_key("/other"), uid="u-0")]
    assert await world.reconcile() == ["/own"]


async def test_what_the_server_holds_retires_when_the_pod_asks_for_something_else() -> None:
    world = World()
    world.put("/web")
    world.held = [claim(world.pods[KEY], "/old"), claim(world.pods[KEY], "/vanished")]
    world.mirror.wrote(Entry("p.old", make_key("/old"), Attributes()))
    await world.reconciler.reconcile(KEY)
    assert make_key("/old") in world.shared.index
    assert make_key("/vanished") not in world.shared.index
    assert [c.key for c in world.claims()] == [make_key("/web")]


async def test_nothing_is_known_of_a_pod_and_it_keeps_what_the_server_holds() -> None:
    world = World()
    world.unknown.add(KEY)
    world.held = [claim(make_pod(), "/held")]
    assert await world.reconcile() == ["/held"]
    world.unknown.clear()
    assert await world.reconcile() == []


async def test_a_node_claims_until_it_is_gone_and_while_it_does_not_decode() -> None:
    shared, nodes = a_shared_state(), Store[Node]()
    mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
    source = Claimant("Node", "", "n1")
    of_node = Claim(source, make_key("/n1"), Attributes(), Origin.REGISTRAR)
    reconciler = NodeReconciler(shared, nodes=nodes, claim_of=lambda _: of_node, mirror=mirror)
    nodes.put(Node(metadata=ObjectMeta(name="n1", uid="node-1")))
    await reconciler.reconcile("n1")
    assert shared.index.of_source(source) == [of_node]
    nodes.observe_broken(ObjectMeta(name="n1", uid="node-1", resource_version="2"), "odd")
    await reconciler.reconcile("n1")
    assert shared.index.of_source(source) == [of_node]
    nodes.remove(ObjectKey("", "n1"))
    await reconciler.reconcile("n1")
    assert shared.index.of_source(source) == []
