"""The runtime: sources become queues and loops, the first pass has an order, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.book import Book
from controllers.source import AnySource, FirstPass, Source, all_keys, note, watch
from controllers.triggers import itself
from controllers.wakeups import WiringError
from manager.runtime import Runtime
from registrar.identity.entry import Attributes, Entry
from registrar.kube.controller import Done, Outcome
from registrar.kube.store import Change, Store
from registrar.telemetry.metrics import Metrics
from tests.support.book import a_fresh_book
from tests.support.builders import make_key, make_pod
from tests.support.waiting import until


@dataclass
class Pods:
    """A cache that a test fills."""

    store: Store[Pod] = field(default_factory=Store)
    heard: list[Callable[[Change[Pod]], None]] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    is_read: bool = True
    kind_name: str = POD.kind

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

    def by(self, name: str) -> Callable[[object], Coroutine[None, None, Outcome]]:
        async def reconcile(key: object) -> Outcome:
            self.seen.append((name, key))
            return Done()

        return reconcile


def unused_but(book: Book, *served: str) -> frozenset[str]:
    return frozenset(book.wake.unserved() - set(served))


@asynccontextmanager
async def running(
    book: Book, *sources: AnySource, served: Iterable[str] = ()
) -> AsyncIterator[Runtime]:
    runtime = Runtime(sources, book=book, metrics=Metrics(), unused=unused_but(book, *served))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run()) for run in runtime.runs()]
        yield runtime
        for task in running:
            task.cancel()


async def test_the_first_pass_goes_from_objects_to_pods() -> None:
    log, book = Log(), a_fresh_book()
    pods = Source(
        name="pod",
        reconcile=log.by("pod"),
        keys=lambda: [ObjectKey("shop", "web")],
        first_pass=FirstPass.PODS,
    )
    objects = Source(
        name="object", reconcile=log.by("object"), keys=lambda: "ab", first_pass=FirstPass.OBJECTS
    )
    records = Source(name="record", reconcile=log.by("record"), keys=lambda: ["r"])
    async with running(book, pods, records, objects) as runtime:
        await runtime.first_pass()
        assert log.seen == [("object", "a"), ("object", "b"), ("pod", ObjectKey("shop", "web"))]
        await runtime.afterwards()
        await until(lambda: ("record", "r") in log.seen)


async def test_the_first_pass_waits_for_what_pods_give_to_objects() -> None:
    log, book = Log(), a_fresh_book()

    async def judge(key: ObjectKey) -> Outcome:
        await asyncio.sleep(0)
        book.wake.node(key.name)
        return Done()

    web = ObjectKey("shop", "web")
    objects = Source(
        name="object",
        reconcile=log.by("object"),
        serves=book.wake.node,
        first_pass=FirstPass.OBJECTS,
    )
    pods = Source(name="pod", reconcile=judge, keys=lambda: [web], first_pass=FirstPass.PODS)
    async with running(book, objects, pods, served=["node"]) as runtime:
        await runtime.first_pass()
        assert log.seen == [("object", "web")]


async def test_a_change_wakes_what_the_source_says_after_it_was_noted() -> None:
    log, book, pods = Log(), a_fresh_book(), Pods()
    noted: list[ObjectKey] = []
    source = Source(
        name="pod",
        reconcile=log.by("pod"),
        notes=[note(pods, lambda change: noted.append(change.key))],
        watches=[watch(pods, itself)],
    )
    async with running(book, source):
        pods.put(make_pod())
        assert noted == [make_pod().key]
        await until(lambda: log.seen == [("pod", make_pod().key)])


async def test_a_wake_up_that_leads_nowhere_stops_the_start() -> None:
    book = a_fresh_book()
    with pytest.raises(WiringError, match="released"):
        Runtime([], book=book, metrics=Metrics(), unused=unused_but(book, "released"))


async def test_a_kind_that_cannot_be_read_is_in_doubt_until_its_objects_were_looked_at() -> None:
    log, book, pods = Log(), a_fresh_book(), Pods()
    entry = Entry("test.web", make_key("/web"), Attributes())
    book.last_good.inherit(entry)
    source = Source(
        name="pod",
        reconcile=log.by("pod"),
        watches=[watch(pods, itself)],
        keys=all_keys(pods.store),
        decides=[pods],
        first_pass=FirstPass.PODS,
    )
    async with running(book, source) as runtime:
        await runtime.first_pass()
        assert book.last_good.holds(entry.key)
        pods.put(make_pod())
        pods.whole.set()
        await until(lambda: not book.last_good.holds(entry.key))
        assert log.seen == [("pod", make_pod().key)]


async def test_a_kind_that_is_not_read_at_all_is_in_no_doubt() -> None:
    book, pods = a_fresh_book(), Pods(is_read=False)
    source: Source[str] = Source(name="pod", reconcile=Log().by("pod"), decides=[pods])
    async with running(book, source) as runtime:
        assert len(list(runtime.runs())) == 1
