"""The runtime: sources become queues and loops, the first pass has an order, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.shared import SharedState
from controllers.source import AnySource, FirstPass, Source, all_keys, note, watch
from controllers.triggers import itself
from controllers.wakeups import WiringError
from manager.runtime import Runtime
from registrar.identity.entry import Attributes, Entry
from registrar.kube.controller import Done, Result
from registrar.kube.store import Change, Store
from registrar.telemetry.metrics import Metrics
from tests.support.builders import make_key, make_pod
from tests.support.shared import a_fresh_shared_state
from tests.support.waiting import until


@dataclass
class Pods:
    """A cache that a test fills."""

    store: Store[Pod] = field(default_factory=Store)
    heard: list[Callable[[Change[Pod]], None]] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    is_read: bool = True
    is_needed: bool = True
    may_be_unknown: bool = True
    kind_name: str = POD.kind
    remedy: str = "wait for them"

    def listen(self, heard: Callable[[Change[Pod]], None]) -> None:
        self.heard.append(heard)

    @property
    def is_available(self) -> bool:
        return self.whole.is_set()

    async def available(self) -> None:
        await self.whole.wait()

    def put(self, pod: Pod) -> None:
        change = Change(pod.key, self.store.put(pod), pod)
        for heard in self.heard:
            heard(change)


class Log:
    """What was reconciled by whom, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []

    def by(self, name: str) -> Callable[[object], Coroutine[None, None, Result]]:
        async def reconcile(key: object) -> Result:
            self.seen.append((name, key))
            return Done()

        return reconcile


def unused_but(shared: SharedState, *served: str) -> frozenset[str]:
    return frozenset(shared.wake.unserved() - set(served))


@asynccontextmanager
async def running(
    shared: SharedState, *sources: AnySource, served: Iterable[str] = ()
) -> AsyncIterator[Runtime]:
    shared.wake.status.leave_out({"Object", "Pod"})
    runtime = Runtime(sources, shared=shared, metrics=Metrics(), unused=unused_but(shared, *served))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run()) for run in runtime.runs()]
        yield runtime
        for task in running:
            task.cancel()


async def test_the_first_pass_goes_from_objects_to_pods() -> None:
    log, shared = Log(), a_fresh_shared_state()
    pods = Source(
        name="pod",
        kind="Pod",
        reconcile=log.by("pod"),
        keys=lambda: [ObjectKey("shop", "web")],
        first_pass=FirstPass.PODS,
    )
    objects = Source(
        name="object",
        kind="Object",
        reconcile=log.by("object"),
        keys=lambda: "ab",
        first_pass=FirstPass.OBJECTS,
    )
    records = Source(name="record", reconcile=log.by("record"), keys=lambda: ["r"])
    async with running(shared, pods, records, objects) as runtime:
        await runtime.first_pass()
        assert log.seen == [("object", "a"), ("object", "b"), ("pod", ObjectKey("shop", "web"))]
        await runtime.afterwards()
        await until(lambda: ("record", "r") in log.seen)


async def test_the_first_pass_waits_for_what_pods_give_to_objects() -> None:
    log, shared = Log(), a_fresh_shared_state()

    async def judge(key: ObjectKey) -> Result:
        await asyncio.sleep(0)
        shared.wake.node(key.name)
        return Done()

    web = ObjectKey("shop", "web")
    objects = Source(
        name="object",
        kind="Object",
        reconcile=log.by("object"),
        serves=shared.wake.node,
        first_pass=FirstPass.OBJECTS,
    )
    pods = Source(
        name="pod", kind="Pod", reconcile=judge, keys=lambda: [web], first_pass=FirstPass.PODS
    )
    async with running(shared, objects, pods, served=["node"]) as runtime:
        await runtime.first_pass()
        assert log.seen == [("object", "web")]


async def test_a_change_wakes_what_the_source_says_after_it_was_noted() -> None:
    log, shared, pods = Log(), a_fresh_shared_state(), Pods()
    noted: list[ObjectKey] = []
    source = Source(
        name="pod",
        reconcile=log.by("pod"),
        notes=[note(pods, lambda change: noted.append(change.key))],
        watches=[watch(pods, itself)],
    )
    async with running(shared, source):
        pods.put(make_pod())
        assert noted == [make_pod().key]
        await until(lambda: log.seen == [("pod", make_pod().key)])


async def test_a_wake_up_that_leads_nowhere_stops_the_start() -> None:
    shared = a_fresh_shared_state()
    with pytest.raises(WiringError, match="released"):
        Runtime([], shared=shared, metrics=Metrics(), unused=unused_but(shared, "released"))


async def test_a_kind_that_cannot_be_read_is_in_doubt_until_its_objects_were_looked_at() -> None:
    log, shared, pods = Log(), a_fresh_shared_state(), Pods()
    entry = Entry("test.web", make_key("/web"), Attributes())
    shared.last_good.inherit(entry)
    source = Source(
        name="pod",
        reconcile=log.by("pod"),
        watches=[watch(pods, itself)],
        keys=all_keys(pods.store),
        kind="Pod",
        first_pass=FirstPass.PODS,
    )
    async with running(shared, source) as runtime:
        await runtime.first_pass()
        assert shared.last_good.holds(entry.key)
        pods.put(make_pod())
        pods.whole.set()
        await until(lambda: not shared.last_good.holds(entry.key))
        assert log.seen == [("pod", make_pod().key)]


@pytest.mark.parametrize("place", [FirstPass.OBJECTS, FirstPass.PODS])
async def test_whose_claims_a_source_makes_must_be_said(place: FirstPass) -> None:
    source: Source[str] = Source(name="nobody", reconcile=Log().by("x"), first_pass=place)
    with pytest.raises(WiringError, match="nobody"):
        Runtime([source], shared=a_fresh_shared_state(), metrics=Metrics(), unused=frozenset())


async def test_a_source_that_watches_what_nobody_reads_stops_the_start() -> None:
    shared, pods = a_fresh_shared_state(), Pods(is_read=False)
    source = Source(name="pod", reconcile=Log().by("pod"), watches=[watch(pods, itself)])
    with pytest.raises(WiringError, match="watches Pod, which nobody reads"):
        Runtime([source], shared=shared, metrics=Metrics(), unused=unused_but(shared))


async def test_a_source_may_do_without_what_is_read_when_it_is_needed() -> None:
    shared, pods = (
        a_fresh_shared_state(),
        Pods(is_read=False, is_needed=False, may_be_unknown=False),
    )
    source = Source(name="pod", reconcile=Log().by("pod"), watches=[watch(pods, itself)])
    async with running(shared, source) as runtime:
        assert len(list(runtime.runs())) == 1


@pytest.mark.looptime
async def test_what_is_written_down_gives_way_while_entries_wait() -> None:
    shared, order = a_fresh_shared_state(), Log()

    async def set_entry(key: str) -> Result:
        await asyncio.sleep(0.01)
        return await order.by("entry")(key)

    entries = Source(
        name="entry",
        reconcile=set_entry,
        concurrency=10,
        backlog=shared.backlog,
        serves=shared.wake.record,
    )
    records = Source(
        name="record",
        reconcile=order.by("record"),
        concurrency=8,
        yields_to=shared.backlog,
        keys=lambda: [f"record-{number}" for number in range(500)],
    )
    async with running(shared, entries, records, served=("record",)) as runtime:
        shared.wake.record("first")
        await until(lambda: len(order.seen) == 1)
        assert shared.backlog() == 0
        for number in range(500):
            shared.wake.record(f"entry-{number}")
        assert shared.backlog() == 500
        await runtime.afterwards()
        await until(lambda: len(order.seen) == 1001)
    # By then some 400 of the entries are made, and ten records a second may be.
    assert sum(name == "record" for name, _ in order.seen[:400]) < 20


async def test_a_kind_whose_statuses_nobody_writes_stops_the_start() -> None:
    shared = a_fresh_shared_state()
    source: Source[str] = Source(name="greeting", kind="Greeting", reconcile=Log().by("x"))
    with pytest.raises(WiringError, match="Greeting"):
        Runtime([source], shared=shared, metrics=Metrics(), unused=unused_but(shared))
    shared.wake.status.leave_out({"Greeting"})
    Runtime([source], shared=shared, metrics=Metrics(), unused=unused_but(shared))
