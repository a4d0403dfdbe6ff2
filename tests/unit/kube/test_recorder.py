"""Events: sent, counted, bounded, and never in anybody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from api.codec import JSONObject, decode
from api.core import ObjectReference
from registrar.kube.client import KubeClient
from registrar.kube.recorder import EventRecorder
from registrar.kube.session import connect
from tests.support.scripted_api import ScriptedAPI, json_reply, scripted_api, status_reply
from tests.support.waiting import until

POD = ObjectReference(kind="Pod", namespace="web", name="a", uid="u1")
CLUSTER_WIDE = ObjectReference(kind="ClusterSpiffeId", name="a", uid="u2")


class Events:
    """Keeps what is posted and patched."""

    def __init__(self) -> None:
        self.created: list[JSONObject] = []
        self.patched: list[JSONObject] = []
        self.refuse_with: web.Response | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await self.hold.wait()
        if self.refuse_with is not None:
            refusal, self.refuse_with = self.refuse_with, None
            return refusal
        body = decode(await request.read(), dict)
        (self.created if request.method == "POST" else self.patched).append(body)
        name = request.path.rpartition("/")[2]
        return json_reply(
            {**body, "metadata": body.get("metadata", {"name": name, "namespace": "web"})}
        )


class Dropped:
    def __init__(self) -> None:
        self.count = 0

    def dropped(self) -> None:
        self.count += 1


@asynccontextmanager
async def recording(
    tmp_path: Path, events: Events, dropped: Dropped | None = None
) -> AsyncIterator[tuple[EventRecorder, ScriptedAPI]]:
    async with (
        scripted_api(events) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        recorder = EventRecorder(
            KubeClient(session), "spire-registrar", "pod-1", observer=dropped or Dropped()
        )
        task = group.create_task(recorder.run())
        yield recorder, api
        task.cancel()


async def test_an_event_says_what_happened_to_what_and_who_says_so(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, api):
        recorder.emit(POD, type="Normal", reason="Created", message="entry x")
        await until(lambda: len(events.created) == 1)
        event = events.created[0]
        assert api.asked == ["POST /api/v1/namespaces/web/events"]
    assert event["involvedObject"] == {"kind": "Pod", "namespace": "web", "name": "a", "uid": "u1"}
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Created", "entry x")
    assert event["count"] == 1
    assert event["reportingComponent"] == "spire-registrar"


async def test_an_event_about_a_cluster_wide_object_lies_in_default(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, api):
        recorder.emit(CLUSTER_WIDE, type="Warning", reason="Invalid", message="no")
        await until(lambda: len(events.created) == 1)
        assert api.asked == ["POST /api/v1/namespaces/default/events"]


async def test_a_repetition_is_counted_on_the_first_event(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, _):
        for times in (1, 2):
            recorder.emit(POD, type="Warning", reason="Failed", message="no")
            await until(lambda n=times: len(events.created) + len(events.patched) == n)  # type: ignore[misc]
    assert len(events.created) == 1
    assert events.patched[0]["count"] == 2


async def test_a_repetition_after_a_change_of_the_object_is_counted_too(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, _):
        for version in ("1", "2", "3"):
            about = replace(POD, resource_version=version)
            recorder.emit(about, type="Warning", reason="Failed", message="no")
            await until(
                lambda n=int(version): len(events.created) + len(events.patched) == n  # type: ignore[misc]
            )
    (created,) = events.created
    assert [patch["count"] for patch in events.patched] == [2, 3]
    assert created["involvedObject"]["resourceVersion"] == "1"  # type: ignore[index,call-overload]


async def test_repetitions_while_waiting_are_one_write(tmp_path: Path) -> None:
    events = Events()
    events.hold.clear()
    async with recording(tmp_path, events) as (recorder, api):
        recorder.emit(POD, type="Warning", reason="First", message="no")
        await until(lambda: len(api.asked) == 1)
        for _ in range(5):
            recorder.emit(POD, type="Warning", reason="Second", message="no")
        events.hold.set()
        await until(lambda: len(events.created) == 2)
    assert events.created[1]["count"] == 5


async def test_a_deleted_event_is_written_anew(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, _):
        recorder.emit(POD, type="Warning", reason="Failed", message="no")
        await until(lambda: len(events.created) == 1)
        events.refuse_with = status_reply(404, "NotFound")
        recorder.emit(POD, type="Warning", reason="Failed", message="no")
        await until(lambda: len(events.created) == 2)


async def test_a_refused_event_is_dropped_and_the_next_one_sent(tmp_path: Path) -> None:
    events, dropped = Events(), Dropped()
    events.refuse_with = status_reply(403, "Forbidden")
    async with recording(tmp_path, events, dropped) as (recorder, _):
        recorder.emit(POD, type="Warning", reason="Failed", message="no")
        await until(lambda: dropped.count == 1)
        recorder.emit(POD, type="Warning", reason="Other", message="no")
        await until(lambda: len(events.created) == 1)


async def test_one_object_cannot_flood_the_cluster(tmp_path: Path) -> None:
    events, dropped = Events(), Dropped()
    async with recording(tmp_path, events, dropped) as (recorder, _):
        for number in range(100):
            recorder.emit(POD, type="Warning", reason="Failed", message=str(number))
        await until(lambda: len(events.created) == 25)
    assert dropped.count == 75


async def test_the_oldest_events_give_way_to_the_newest(tmp_path: Path) -> None:
    events, dropped = Events(), Dropped()
    events.hold.clear()
    async with recording(tmp_path, events, dropped) as (recorder, api):
        recorder.emit(POD, type="Warning", reason="Failed", message="first")
        await until(lambda: len(api.asked) == 1)
        for number in range(1005):
            pod = ObjectReference(kind="Pod", namespace="web", name=str(number))
            recorder.emit(pod, type="Warning", reason="Failed", message="no")
        assert dropped.count == 5
        events.hold.set()


async def test_a_long_message_is_cut_to_what_the_api_server_takes(tmp_path: Path) -> None:
    events = Events()
    async with recording(tmp_path, events) as (recorder, _):
        recorder.emit(POD, type="Warning", reason="Failed", message="x" * 5000)
        await until(lambda: len(events.created) == 1)
    assert len(str(events.created[0]["message"])) == 1024


@asynccontextmanager
async def recording_for_a_node(tmp_path: Path, events: Events) -> AsyncIterator[EventRecorder]:
    async with (
        scripted_api(events) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        recorder = EventRecorder(KubeClient(session), "csi.spire.io", "pod-1", node="node-1")
        task = group.create_task(recorder.run())
        yield recorder
        task.cancel()


async def test_what_a_component_of_a_node_said_before_a_restart_is_found_again(
    tmp_path: Path,
) -> None:
    events = Events()
    for _ in range(2):
        async with recording_for_a_node(tmp_path, events) as recorder:
            recorder.emit(POD, type="Warning", reason="Waiting", message="no entry")
            recorder.emit(POD, type="Warning", reason="Waiting", message="no agent")
            sent = len(events.created)
            await until(lambda sent=sent: len(events.created) == sent + 2)  # type: ignore[misc]
    names = [_metadata(event)["name"] for event in events.created]
    assert names[:2] == names[2:]
    assert len(set(names)) == 2
    first = events.created[0]
    assert first["source"] == {"component": "csi.spire.io", "host": "node-1"}
    assert first["reportingComponent"] == "csi.spire.io"
    # The API server has it already: it is said to have happened again.
    events.refuse_with = status_reply(409, "AlreadyExists")
    async with recording_for_a_node(tmp_path, events) as recorder:
        recorder.emit(POD, type="Warning", reason="Waiting", message="no entry")
        await until(lambda: len(events.patched) == 1)
        assert list(events.patched[0]) == ["lastTimestamp"]
        recorder.emit(POD, type="Warning", reason="Waiting", message="no entry")
        await until(lambda: len(events.patched) == 2)


def _metadata(event: JSONObject) -> JSONObject:
    found = event["metadata"]
    assert isinstance(found, dict)
    return found
