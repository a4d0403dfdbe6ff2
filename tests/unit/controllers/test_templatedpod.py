"""A Pod under several templates: everybody else has a turn between two of them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import grpc
import msgspec

from api.core import Namespace
from api.meta import ObjectKey, ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from api.whole import WholeMeta, WholeNode, WholePod
from controllers.shared import SharedState
from controllers.templatedpod import templated_pods
from controllers.templates import Cluster, Templates
from registrar.claims.claim import Claimant
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import Surroundings, compile_template, source_of
from registrar.claims.rendering import Owner
from registrar.kube.store import Store
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.shared import unconnected

KEY = ObjectKey("shop", "web")
SOURCE = Claimant("Pod", "shop", "web")
AROUND = Surroundings("example.org", "prod", "cluster.local")


@dataclass
class Pods:
    pods: dict[ObjectKey, WholePod] = field(default_factory=dict)

    def get(self, key: ObjectKey) -> WholePod | None:
        return self.pods.get(key)

    def broken_uid(self, _: ObjectKey) -> str:
        return ""


class Nothing:
    """Services and owners that nobody asks for."""

    def need(self) -> bool:
        return True

    def problem(self) -> str:
        return ""

    def naming(self, _: ObjectKey) -> tuple[str, ...]:
        return ()

    def of(self, _: WholePod) -> Owner | None:
        return None


class Unreached:
    """A SPIRE server that nobody asks."""

    problem = ""

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        raise NotImplementedError


class World:
    """One Pod, and templates that select it."""

    def __init__(self, *names: str) -> None:
        self.pods = Pods()
        meta = WholeMeta(name="web", namespace="shop", uid="u-1")
        self.pods.pods[KEY] = WholePod(metadata=meta, node_name="n", spec=msgspec.Raw(b"{}"))
        nodes: Store[WholeNode] = Store()
        nodes.put(WholeNode(metadata=WholeMeta(name="n", uid="n-1")))
        namespaces: Store[Namespace] = Store()
        namespaces.put(Namespace(metadata=ObjectMeta(name="shop")))
        self.templates = Templates(AROUND, PodIndex())
        records = Records("", "", lambda _: False)
        self.shared = unconnected(
            SharedState(
                "example.org", "prod", "", "p", records, Naming(""), Store(), lambda _: None
            )
        )
        for name in names:
            self.put(name)
        cluster = Cluster(
            pods=self.pods,
            nodes=nodes,
            namespaces=namespaces,
            services=Nothing(),
            owners=Nothing(),
            unpacked=bytes,
            ignored=lambda _: None,
        )
        mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
        self.reconciler = templated_pods(
            self.shared, templates=self.templates, cluster=cluster, mirror=mirror
        )

    def put(self, name: str, spiffe_id: str = "") -> None:
        spec = ClusterSPIFFEIDSpec(spiffe_id_template=spiffe_id or f"/{name}")
        obj = ClusterSPIFFEID(metadata=ObjectMeta(name=name, uid=f"uid-{name}"), spec=spec)
        self.templates.set.put(compile_template(obj, AROUND))

    def paths(self) -> list[str]:
        claims = self.shared.index.of_source(SOURCE)
        return sorted(claim.key.spiffe_id.removeprefix("spiffe://example.org/") for claim in claims)


async def run(world: World) -> int:
    """Reconcile the Pod; gives how many turns others had meanwhile."""
    turns = 0
    reconciling = True

    async def other() -> None:
        nonlocal turns
        while reconciling:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        await world.reconciler.reconcile(KEY)
        reconciling = False
    return turns


async def test_others_have_a_turn_between_two_templates() -> None:
    names = [f"t{number}" for number in range(10)]
    world = World(*names)
    assert await run(world) >= 9
    assert world.paths() == names


async def meanwhile(world: World, change: Callable[[], object]) -> None:
    """Reconcile the Pod and do something when the first template is rendered."""
    async with asyncio.TaskGroup() as group:
        group.create_task(world.reconciler.reconcile(KEY))
        await asyncio.sleep(0)
        change()


async def test_a_template_that_goes_while_its_pod_is_rendered_leaves_nothing_behind() -> None:
    world = World("a", "b", "c")
    await meanwhile(world, lambda: world.templates.set.remove(source_of("a")))
    assert world.paths() == ["b", "c"]
    assert world.templates.tally.pods("a") == frozenset()


async def test_a_template_that_changes_meanwhile_counts_as_it_is_now() -> None:
    world = World("a", "b")
    await meanwhile(world, lambda: world.put("a", "/new"))
    assert world.paths() == ["b", "new"]


async def test_a_pod_that_goes_while_it_is_rendered_claims_nothing() -> None:
    world = World("a", "b")
    await meanwhile(world, world.pods.pods.clear)
    assert world.paths() == []
    assert world.templates.tally.pods("a") == frozenset()
