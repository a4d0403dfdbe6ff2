"""The Kubernetes runtime against a real API server: what the embedded one must not teach us."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.codec import decode
from api.core import Event, Lease, LeaseSpec, ObjectReference
from api.kinds import EVENT, LEASE, Kind
from api.meta import KubeObject, ObjectKey, ObjectMeta
from hack.control_plane import ControlPlane
from registrar.kube.client import KubeClient
from registrar.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from registrar.kube.leader import LeaderElector
from registrar.kube.recorder import EventRecorder
from registrar.kube.reflector import Change, Reflector
from registrar.kube.session import Session, connect
from registrar.kube.store import Store
from tests.support.waiting import eventually, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAMESPACE = "default"


@pytest.fixture
async def session(real_control_plane: ControlPlane) -> AsyncIterator[Session]:
    async with connect(real_control_plane.kubeconfig, user_agent="test") as session:
        yield session


class Leases:
    """Leases of one label, reflected into a store."""

    def __init__(self, session: Session, label: str) -> None:
        self.store: Store[Lease] = Store()
        self.changes: list[Change[Lease]] = []
        self.reflector = Reflector(
            session=session,
            kind=LEASE,
            store=self.store,
            on_change=self.changes.append,
            label_selector=f"test={label}",
            namespace=NAMESPACE,
        )


@asynccontextmanager
async def reflecting(session: Session, label: str) -> AsyncIterator[Leases]:
    async with asyncio.TaskGroup() as group:
        leases = Leases(session, label)
        task = group.create_task(leases.reflector.run())
        await leases.store.synced.wait()
        yield leases
        task.cancel()


def a_lease(name: str, label: str) -> Lease:
    return Lease(
        metadata=ObjectMeta(name=name, namespace=NAMESPACE, labels={"test": label}),
        spec=LeaseSpec(holder_identity="somebody"),
    )


async def test_writes_are_assumed_confirmed_and_followed(session: Session) -> None:
    client = KubeClient(session)
    async with reflecting(session, "follow") as leases:
        created = await client.create(LEASE, a_lease("follow", "follow"))
        leases.store.assume(created)
        assert leases.store.get(created.key) is not None
        await until(lambda: bool(leases.changes))
        patched = await client.merge_patch(
            LEASE, created.key, {"spec": {"holderIdentity": "another"}}
        )
        leases.store.assume(patched)
        await client.delete(LEASE, created.key, uid=created.metadata.uid)
        leases.store.assume_deleted(created.key, created.metadata.uid)
        # A watch that is late tells only of the end: what we assumed is newer than the change.
        await until(lambda: leases.changes[-1].new is None)
        assert len(leases.store) == 0


async def test_refusals_have_the_names_that_the_client_gives_them(session: Session) -> None:
    client = KubeClient(session)
    created = await client.create(LEASE, a_lease("refusals", "refusals"))
    try:
        with pytest.raises(AlreadyExists):
            await client.create(LEASE, a_lease("refusals", "refusals"))
        with pytest.raises(Conflict):
            await client.delete(LEASE, created.key, uid="another")
        with pytest.raises(Conflict):
            await client.merge_patch(LEASE, created.key, {"metadata": {"resourceVersion": "1"}})
        with pytest.raises(Invalid):
            await client.merge_patch(LEASE, created.key, {"spec": {"leaseDurationSeconds": -1}})
        with pytest.raises(NotFound):
            await client.get(LEASE, ObjectKey(NAMESPACE, "nobody"))
    finally:
        await client.delete(LEASE, created.key)


async def test_a_server_that_was_away_is_found_again_and_nothing_was_forgotten(
    session: Session, real_control_plane: ControlPlane
) -> None:
    client = KubeClient(session)
    async with reflecting(session, "away") as leases:
        before = await client.create(LEASE, a_lease("before", "away"))
        await until(lambda: leases.store.get(before.key) is not None)
        await asyncio.to_thread(real_control_plane.stop_api_server)
        await until(lambda: leases.reflector.state == "broken")
        assert leases.store.get(before.key) is not None
        await asyncio.to_thread(real_control_plane.start_api_server)
        await until(lambda: leases.reflector.state == "watching")
        after = await client.create(LEASE, a_lease("after", "away"))
        await until(lambda: leases.store.get(after.key) is not None)
        assert len(leases.store) == 2
    for lease in (before, after):
        await client.delete(LEASE, lease.key)


async def test_lists_come_in_pages(session: Session) -> None:
    client = KubeClient(session)
    keys = []
    for number in range(5):
        created = await client.create(LEASE, a_lease(f"page-{number}", "pages"))
        keys.append(created.key)
    seen, token = 0, ""
    while True:
        page = await client.page(LEASE, limit=2, continue_token=token, label_selector="test=pages")
        seen, token = seen + len(page.items), page.continue_token
        if not token:
            break
    for key in keys:
        await client.delete(LEASE, key)
    assert seen == 5


async def test_a_kind_that_is_not_installed_is_waited_for(session: Session) -> None:
    store: Store[KubeObject] = Store()
    missing = Kind("nowhere.org", "v1", "Nothing", "nothings", namespaced=False, type=KubeObject)
    reflector = Reflector(session=session, kind=missing, store=store, on_change=lambda _: None)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reflector.run())
        await until(lambda: reflector.state == "missing")
        assert not store.synced.is_set()
        task.cancel()


async def test_the_lease_passes_from_one_to_the_next(session: Session) -> None:
    led: list[str] = []

    def elector(identity: str) -> LeaderElector:
        return LeaderElector(
            KubeClient(session), namespace=NAMESPACE, name="lock", identity=identity
        )

    async def first() -> None:
        led.append("first")

    async def second() -> None:
        led.append("second")

    await elector("a").run(first)
    await elector("b").run(second)
    lease = await KubeClient(session).get(LEASE, ObjectKey(NAMESPACE, "lock"))
    await KubeClient(session).delete(LEASE, lease.key)
    assert led == ["first", "second"]
    # A release and two acquisitions; the API server has taken our times as they are.
    assert lease.spec.lease_transitions == 1


async def test_an_event_is_taken_and_counted(session: Session) -> None:
    client = KubeClient(session)
    recorder = EventRecorder(client, "spire-registrar", "test")
    about = ObjectReference(api_version="v1", kind="Namespace", name="default", uid="u-event-test")

    async def events() -> list[Event]:
        page = await client.page(EVENT, limit=500)
        found = [decode(item, Event) for item in page.items]
        return [event for event in found if event.involved_object.uid == "u-event-test"]

    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        for count in (1, 2):
            recorder.emit(about, type="Warning", reason="Tested", message="twice")

            async def is_there(count: int = count) -> bool:
                return any(event.count == count for event in await events())

            await eventually(is_there)
        task.cancel()
    (event,) = await events()
    assert (event.type, event.reason, event.metadata.namespace) == ("Warning", "Tested", "default")
    await client.delete(EVENT, event.key)
