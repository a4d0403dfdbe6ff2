"""The runtime as one, against the embedded API server: list, watch, write, lose it, get it back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.core import Namespace, Pod, PodSpec
from api.documents import dump_yaml
from api.kinds import NAMESPACE, POD
from api.meta import ObjectKey, ObjectMeta
from devcluster.kubeapi.server import KubeAPI
from registrar.kube.client import KubeClient
from registrar.kube.errors import AlreadyExists, Conflict, NotFound
from registrar.kube.leader import LeaderElector
from registrar.kube.reflector import Change, Reflector
from registrar.kube.session import Session, connect
from registrar.kube.store import Store
from tests.support.waiting import until

# The embedded server reads its schemas from a file when it starts.
pytestmark = pytest.mark.may_block


class Cluster:
    """The embedded API server with a client, and Namespaces reflected into a store."""

    def __init__(self, api: KubeAPI, session: Session) -> None:
        self.api = api
        self.session = session
        self.client = KubeClient(session)
        self.store: Store[Namespace] = Store()
        self.changes: list[Change[Namespace]] = []
        self.reflector = Reflector(
            session=session, kind=NAMESPACE, store=self.store, on_change=self.changes.append
        )

    async def create(self, name: str) -> Namespace:
        return await self.client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name=name)))

    def has(self, name: str) -> bool:
        return self.store.get(ObjectKey("", name)) is not None


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running(tmp_path) as cluster:
        yield cluster


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with KubeAPI.serve() as api:
        kubeconfig = tmp_path / "kubeconfig.yaml"
        kubeconfig.write_text(dump_yaml(api.kubeconfig()))
        async with (
            connect(kubeconfig, user_agent="test") as session,
            asyncio.TaskGroup() as group,
        ):
            cluster = Cluster(api, session)
            task = group.create_task(cluster.reflector.run())
            await cluster.store.synced.wait()
            await until(lambda: cluster.reflector.state == "watching")
            yield cluster
            task.cancel()


async def test_what_is_written_comes_back_by_the_watch(cluster: Cluster) -> None:
    created = await cluster.create("a")
    await until(lambda: cluster.has("a"))
    await cluster.client.merge_patch(
        NAMESPACE, created.key, {"metadata": {"labels": {"team": "red"}}}
    )
    await until(
        lambda: (
            cluster.changes[-1].new is not None
            and cluster.changes[-1].new.metadata.labels.get("team") == "red"
        )
    )
    await cluster.client.delete(NAMESPACE, created.key, uid=created.metadata.uid)
    await until(lambda: not cluster.has("a"))


async def test_the_server_refuses_what_the_client_calls_by_name(cluster: Cluster) -> None:
    created = await cluster.create("a")
    with pytest.raises(AlreadyExists):
        await cluster.create("a")
    with pytest.raises(NotFound):
        await cluster.client.get(NAMESPACE, ObjectKey("", "nobody"))
    with pytest.raises(NotFound):
        await cluster.client.delete(NAMESPACE, ObjectKey("", "nobody"))
    with pytest.raises(Conflict):
        await cluster.client.delete(NAMESPACE, created.key, uid="another")
    with pytest.raises(Conflict):
        await cluster.client.merge_patch(
            NAMESPACE, created.key, {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
        )


async def test_an_assumed_write_is_confirmed_by_its_echo(cluster: Cluster) -> None:
    created = await cluster.create("a")
    if cluster.store.assume(created):
        assert cluster.has("a")
    await until(lambda: any(change.key == created.key for change in cluster.changes))
    assert not cluster.store.assume(created)


async def test_nothing_is_lost_while_the_watch_is_cut(cluster: Cluster) -> None:
    cluster.api.faults.drop_watches()
    await cluster.create("a")
    await until(lambda: cluster.has("a") and cluster.reflector.state == "watching")


@pytest.mark.slow
@pytest.mark.parametrize("as_status", [True, False], ids=["status", "event"])
async def test_nothing_is_lost_when_the_watch_expires(cluster: Cluster, *, as_status: bool) -> None:
    first = await cluster.create("a")
    await until(lambda: cluster.has("a"))
    cluster.api.faults.fail(3, status=503, method="watch", resource="namespaces")
    cluster.api.faults.drop_watches()
    await cluster.client.delete(NAMESPACE, first.key)
    await cluster.create("b")
    cluster.api.faults.expire_watches(as_status=as_status)
    await until(lambda: cluster.has("b") and not cluster.has("a"))


async def test_a_server_that_comes_back_is_found_again_and_nothing_was_forgotten(
    cluster: Cluster,
) -> None:
    await cluster.create("a")
    await until(lambda: cluster.has("a"))
    await cluster.api.stop()
    await until(lambda: cluster.reflector.state == "broken")
    assert cluster.has("a")
    await cluster.api.start()
    await cluster.create("b")
    await until(lambda: cluster.has("b"))


async def test_a_namespaced_object_lies_at_its_place(cluster: Cluster) -> None:
    pod = Pod(metadata=ObjectMeta(name="web", namespace="default"), spec=PodSpec())
    with pytest.raises(Exception, match="containers"):
        await cluster.client.create(POD, pod)
    page = await cluster.client.page(POD, limit=10)
    assert page.items == ()


async def test_leadership_changes_hands_on_a_true_lease(cluster: Cluster) -> None:
    led: list[str] = []

    def elector(identity: str) -> LeaderElector:
        return LeaderElector(
            cluster.client,
            namespace="default",
            name="lock",
            identity=identity,
            retry_seconds=0.02,
        )

    async def first() -> None:
        led.append("first")

    async def second() -> None:
        led.append("second")

    await elector("a").run(first)
    await elector("b").run(second)
    assert led == ["first", "second"]
