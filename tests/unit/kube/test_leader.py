"""Leader election: one leads at a time, and stops before another may begin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

import pytest
from aiohttp import web

from api.codec import JSONObject, decode
from registrar.ending import Ending
from registrar.errors import LeadershipLost
from registrar.kube.client import KubeClient
from registrar.kube.leader import Beside, LeaderElector
from registrar.kube.session import connect
from tests.support.scripted_api import json_reply, scripted_api, status_reply
from tests.support.waiting import until


class OneLease:
    """A Lease with optimistic locking, as the API server keeps it; may be made to refuse."""

    def __init__(self) -> None:
        self.spec: JSONObject | None = None
        self.version = 1
        self.refuse_writes_of: set[str] = set()
        self.forbidden: set[str] = set()
        """Methods that nobody has the right to."""
        self.annotations: JSONObject = {}
        self.renewals = 0

    @property
    def holder(self) -> object:
        return (self.spec or {}).get("holderIdentity")

    def _reply(self) -> web.Response:
        metadata: JSONObject = {
            "name": "lock",
            "namespace": "spire",
            "resourceVersion": str(self.version),
            "annotations": self.annotations,
        }
        return json_reply({"metadata": metadata, "spec": self.spec})

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method in self.forbidden:
            return status_reply(403, "Forbidden")
        if request.method == "GET":
            return self._reply() if self.spec is not None else status_reply(404, "NotFound")
        body = decode(await request.read(), dict)
        spec, metadata = body["spec"], body["metadata"]
        if request.headers["User-Agent"] in self.refuse_writes_of:
            return status_reply(500, "InternalError")
        if request.method == "POST":
            if self.spec is not None:
                return status_reply(409, "AlreadyExists")
            self.spec = {}
        elif metadata["resourceVersion"] != str(self.version):
            return status_reply(409, "Conflict")
        assert self.spec is not None
        self.spec.update(spec)
        self.annotations |= metadata.get("annotations", {})
        self.version += 1
        self.renewals += 1
        return self._reply()


class _Times(TypedDict):
    """Timings of a replica."""

    lease_seconds: float
    renew_deadline_seconds: float


class Replica:
    """One process that wants to lead."""

    def __init__(self) -> None:
        self.leads = 0
        self.stopped = 0
        self.lost = ""
        """Why it lost the Lease, in words."""
        self.elector: LeaderElector

    async def run(self) -> None:
        try:
            await self.elector.run(self.lead)
        except LeadershipLost as error:
            self.lost = str(error)

    async def lead(self) -> None:
        self.leads += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped += 1


_ALONE = Beside()


@asynccontextmanager
async def replica(
    kubeconfig: Path,
    identity: str,
    *,
    lease_seconds: float = 60.0,
    renew_deadline_seconds: float = 40.0,
    retry_seconds: float = 0.02,
    beside: Beside = _ALONE,
) -> AsyncIterator[Replica]:
    one = Replica()
    async with connect(kubeconfig, user_agent=identity) as session, asyncio.TaskGroup() as group:
        one.elector = LeaderElector(
            KubeClient(session),
            namespace="spire",
            name="lock",
            identity=identity,
            lease_seconds=lease_seconds,
            renew_deadline_seconds=renew_deadline_seconds,
            retry_seconds=retry_seconds,
            beside=beside,
        )
        task = group.create_task(one.run())
        yield one
        task.cancel()


@pytest.fixture
def lease() -> OneLease:
    return OneLease()


async def test_the_first_one_leads_and_renews(tmp_path: Path, lease: OneLease) -> None:
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first") as first,
    ):
        await until(lambda: lease.renewals > 3)
        assert first.elector.is_leader()
        assert (first.leads, first.stopped) == (1, 0)
        assert lease.holder == "first"


async def test_the_second_one_waits_and_takes_over_at_once_after_a_clean_end(
    tmp_path: Path, lease: OneLease
) -> None:
    async with scripted_api(lease) as api:
        kubeconfig = api.kubeconfig(tmp_path)
        async with replica(kubeconfig, "first") as first:
            await until(lambda: first.leads == 1)
            async with replica(kubeconfig, "second") as second:
                await until(lambda: second.elector.holder == "first")
                assert second.leads == 0
        assert lease.holder == ""
        assert first.stopped == 1
        async with replica(kubeconfig, "third") as third:
            await until(lambda: third.leads == 1)
            assert third.elector.holder == "third"


async def test_who_waits_looks_more_often_than_a_holder_renews(
    tmp_path: Path, lease: OneLease
) -> None:
    async with scripted_api(lease) as api:
        kubeconfig = api.kubeconfig(tmp_path)
        # At the holder's pace it would take longer than this test may.
        slow = _Times(lease_seconds=3600.0, renew_deadline_seconds=1800.0)
        async with replica(kubeconfig, "second", **slow, retry_seconds=900.0) as second:
            lease.spec = dict(OTHERS)
            await until(lambda: second.elector.holder == "other")
            lease.spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
            await until(lambda: second.leads == 1)


class SlowToWrite(OneLease):
    """Does what it is asked to, but holds the answer to a write back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.written = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        reply = await super().__call__(request)
        if self.is_slow and request.method != "GET":
            self.written.set()
            await self.go_on.wait()
        return reply


async def test_a_lease_that_was_just_taken_when_the_process_is_told_to_end_is_given_back(
    tmp_path: Path,
) -> None:
    lease, ending, one = SlowToWrite(), Ending(), Replica()
    lease.is_slow = True
    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
        asyncio.TaskGroup() as group,
    ):
        one.elector = LeaderElector(
            KubeClient(session), namespace="spire", name="lock", identity="first", ending=ending
        )
        task = group.create_task(one.run())
        await lease.written.wait()
        assert lease.holder == "first"
        ending.begin()
        task.cancel()
        await asyncio.sleep(0)
        lease.is_slow = False
        lease.go_on.set()
        await until(task.done)
        assert (lease.holder, one.leads) == ("", 0)


@pytest.mark.slow
async def test_one_that_cannot_renew_stops_before_the_other_begins(
    tmp_path: Path, lease: OneLease
) -> None:
    # Long enough that a busy machine does not let one pass by itself.
    short = _Times(lease_seconds=5.0, renew_deadline_seconds=2.0)
    async with scripted_api(lease) as api:
        kubeconfig = api.kubeconfig(tmp_path)
        async with replica(kubeconfig, "first", **short) as first:
            await until(lambda: first.leads == 1)
            async with replica(kubeconfig, "second", **short) as second:
                lease.refuse_writes_of.add("first")
                await until(lambda: first.stopped == 1)
                assert second.leads == 0
                assert not first.elector.is_leader()
                await until(lambda: second.leads == 1)
                assert (first.leads, lease.holder) == (1, "second")
                assert "was not renewed in time" in first.lost


async def test_a_lease_taken_by_force_ends_the_leadership(tmp_path: Path, lease: OneLease) -> None:
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first") as first,
    ):
        await until(lambda: first.leads == 1)
        lease.spec = {"holderIdentity": "thief", "leaseDurationSeconds": 60, "renewTime": "x"}
        lease.version += 1
        await until(lambda: bool(first.lost))
        assert not first.elector.is_leader()
        assert (first.leads, first.stopped) == (1, 1)
        assert first.lost == "the Lease spire/lock is held by thief now"
        assert lease.holder == "thief"


async def test_a_lost_lease_is_not_competed_for_again(tmp_path: Path, lease: OneLease) -> None:
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first") as first,
    ):
        await until(lambda: first.leads == 1)
        # Another had it, if only for a moment: it may have written.
        lease.spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": "x"}
        lease.version += 1
        await until(lambda: bool(first.lost))
        assert first.lost == "the Lease spire/lock is held by nobody now"
        async with replica(api.kubeconfig(tmp_path), "second") as second:
            await until(lambda: second.leads == 1)
            assert (first.leads, lease.holder) == (1, "second")


async def test_a_process_that_was_stalled_does_not_believe_it_leads(
    tmp_path: Path, lease: OneLease
) -> None:
    now = 100.0

    async def work() -> None:
        await asyncio.Event().wait()

    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
        asyncio.TaskGroup() as group,
    ):
        elector = LeaderElector(
            KubeClient(session),
            namespace="spire",
            name="lock",
            identity="first",
            clock=lambda: now,
        )
        task = group.create_task(elector.run(work))
        await until(elector.is_leader)
        now += 9.9
        assert elector.is_leader()
        now += 0.2
        assert not elector.is_leader()
        task.cancel()


class Stalling(OneLease):
    """Holds the answer to a read of the Lease back until it is told to give it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stalling = False
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.is_stalling and request.method == "GET":
            self.asked.set()
            await self.go_on.wait()
        return await super().__call__(request)


@pytest.mark.parametrize("is_patient", [False, True])
async def test_a_renewal_that_was_under_way_when_time_ran_out_writes_nothing(
    tmp_path: Path, *, is_patient: bool
) -> None:
    now, lease, replica = 100.0, Stalling(), Replica()
    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
        asyncio.TaskGroup() as group,
    ):
        replica.elector = LeaderElector(
            KubeClient(session),
            namespace="spire",
            name="lock",
            identity="first",
            retry_seconds=0.02,
            clock=lambda: now,
            beside=Beside(is_patient=is_patient),
        )
        task = group.create_task(replica.run())
        await until(lambda: replica.leads == 1)
        lease.is_stalling = True
        await lease.asked.wait()
        version = lease.version
        now += 60.0
        lease.go_on.set()
        if is_patient:
            # Nobody else has had it, so it is renewed, and the work goes on.
            await until(lambda: lease.version > version)
            await until(replica.elector.is_leader)
            assert (replica.leads, replica.stopped) == (1, 0)
        else:
            await until(lambda: bool(replica.lost))
            assert lease.version == version
            assert "was not renewed in time: this process was stopped" in replica.lost
        task.cancel()


async def test_work_that_fails_gives_the_lease_back(tmp_path: Path, lease: OneLease) -> None:
    async def fail() -> None:
        raise KeyError("bug")

    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
    ):
        elector = LeaderElector(KubeClient(session), namespace="spire", name="lock", identity="x")
        with pytest.raises(ExceptionGroup):
            await elector.run(fail)
        assert lease.holder == ""


async def test_work_that_ends_ends_the_leadership(tmp_path: Path, lease: OneLease) -> None:
    async def nothing() -> None:
        return

    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
    ):
        elector = LeaderElector(KubeClient(session), namespace="spire", name="lock", identity="x")
        await elector.run(nothing)
        assert lease.holder == ""
        assert not elector.is_leader()


@pytest.mark.parametrize(
    ("lease_seconds", "renew", "retry"), [(10, 10, 2), (15, 2, 2), (15, 10, 0)]
)
async def test_timings_that_would_overlap_are_refused(
    tmp_path: Path, lease: OneLease, lease_seconds: float, renew: float, retry: float
) -> None:
    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
    ):
        with pytest.raises(ValueError, match="lease duration"):
            LeaderElector(
                KubeClient(session),
                namespace="spire",
                name="lock",
                identity="x",
                lease_seconds=lease_seconds,
                renew_deadline_seconds=renew,
                retry_seconds=retry,
            )


async def test_a_lease_that_nobody_foresaw_does_not_end_the_process(tmp_path: Path) -> None:
    lease = OneLease()
    lease.spec = {"holderIdentity": "other", "leaseDurationSeconds": 10**400}
    async with scripted_api(lease) as api, replica(api.kubeconfig(tmp_path), "a") as one:
        await until(lambda: bool(one.elector.last_error))
        assert one.leads == 0
        lease.spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
        await until(lambda: one.leads == 1)


# A Lease beside another one.

OTHERS: JSONObject = {"holderIdentity": "other", "leaseDurationSeconds": 3600, "renewTime": "x"}


async def test_whose_holder_is_known_to_have_stopped_is_not_waited_for(
    tmp_path: Path, lease: OneLease
) -> None:
    lease.spec, lease.annotations = dict(OTHERS), {"by": "us"}
    beside = Beside(
        annotations={"by": "us"},
        succeeds=lambda found: found.metadata.annotations.get("by") == "us",
    )
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first", beside=beside) as first,
    ):
        await until(lambda: first.leads == 1)
        assert lease.holder == "first"


async def test_who_waits_is_told_of_the_holder_and_the_holder_says_who_it_is(
    tmp_path: Path, lease: OneLease
) -> None:
    told: list[str | None] = []
    beside = Beside(
        annotations={"by": "us"}, waits=lambda found: told.append(found.spec.holder_identity)
    )
    lease.spec = dict(OTHERS)
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first", beside=beside) as first,
    ):
        await until(lambda: len(told) > 1)
        assert (first.leads, set(told), lease.annotations) == (0, {"other"}, {})
        lease.spec = {"holderIdentity": ""}
        await until(lambda: first.leads == 1)
        assert lease.annotations == {"by": "us"}


@pytest.mark.parametrize("forbidden", [{"GET", "POST", "PATCH"}, {"POST"}])
async def test_without_rights_it_goes_on_until_it_has_them(
    tmp_path: Path, lease: OneLease, forbidden: set[str]
) -> None:
    lease.forbidden = set(forbidden)
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first", beside=Beside(goes_on=True)) as first,
    ):
        await until(lambda: first.leads == 1)
        assert first.elector.is_leader()
        assert first.elector.is_unrecorded
        lease.forbidden = set()
        await until(lambda: lease.holder == "first")
        await until(lambda: not first.elector.is_unrecorded)
        # Taken away again, they are not missed.
        lease.forbidden = {"PATCH"}
        await until(lambda: first.elector.is_unrecorded)
        assert first.elector.is_leader()
        assert (first.leads, first.stopped) == (1, 0)


async def test_without_rights_it_does_not_go_on_while_another_is_seen_to_hold_it(
    tmp_path: Path, lease: OneLease
) -> None:
    lease.spec, lease.forbidden = dict(OTHERS), {"PATCH"}
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first", beside=Beside(goes_on=True)) as first,
    ):
        await until(lambda: first.elector.holder == "other")
        lease.forbidden = {"GET", "PATCH"}
        await until(lambda: bool(first.elector.last_error))
        assert first.leads == 0
        lease.forbidden = {"PATCH"}
        lease.spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
        await until(lambda: first.leads == 1)
        assert first.elector.is_unrecorded
        # One that has the right takes it: two would work if this one went on.
        lease.spec = dict(OTHERS)
        await until(lambda: bool(first.lost))
        assert not first.elector.is_leader()


@pytest.mark.parametrize("forbidden", [{"GET", "POST", "PATCH"}, {"POST", "PATCH"}])
async def test_without_rights_it_stands_back_for_ever_from_one_who_may_go_on_without_them_too(
    tmp_path: Path, lease: OneLease, forbidden: set[str]
) -> None:
    lease.spec = {**OTHERS, "leaseDurationSeconds": 1}
    beside = Beside(goes_on=True, stands_back=lambda seen: seen.spec.holder_identity == "other")
    async with (
        scripted_api(lease) as api,
        replica(api.kubeconfig(tmp_path), "first", beside=beside) as first,
    ):
        await until(lambda: first.elector.holder == "other")
        lease.forbidden = set(forbidden)
        asked = len(api.asked)
        # So many attempts at this replica's pace last longer than the Lease.
        await until(lambda: len(api.asked) > asked + 80)
        assert first.leads == 0
        lease.forbidden = set()
        await until(lambda: first.leads == 1)
        assert lease.holder == "first"


async def test_a_shared_one_is_held_by_all_and_given_back_by_none(
    tmp_path: Path, lease: OneLease
) -> None:
    shared = Beside(is_shared=True)
    async with scripted_api(lease) as api:
        kubeconfig = api.kubeconfig(tmp_path)
        async with (
            replica(kubeconfig, "all", beside=shared) as first,
            replica(kubeconfig, "all", beside=shared) as second,
        ):
            await until(lambda: first.leads == second.leads == 1)
            renewals = lease.renewals
            await until(lambda: lease.renewals > renewals + 4)
            assert first.elector.is_leader()
            assert second.elector.is_leader()
        assert lease.holder == "all"


async def test_a_patient_one_writes_nothing_while_it_cannot_renew_and_then_goes_on(
    tmp_path: Path, lease: OneLease
) -> None:
    now, one = 100.0, Replica()
    async with (
        scripted_api(lease) as api,
        connect(api.kubeconfig(tmp_path), user_agent="first") as session,
        asyncio.TaskGroup() as group,
    ):
        one.elector = LeaderElector(
            KubeClient(session),
            namespace="spire",
            name="lock",
            identity="first",
            retry_seconds=0.02,
            clock=lambda: now,
            beside=Beside(is_patient=True),
        )
        task = group.create_task(one.run())
        await until(lambda: one.leads == 1)
        lease.refuse_writes_of.add("first")
        await until(lambda: bool(one.elector.last_error))
        now += 60.0
        assert not one.elector.is_leader()
        asked = len(api.asked)
        await until(lambda: len(api.asked) > asked + 8)
        assert not one.elector.is_leader()
        lease.refuse_writes_of.clear()
        await until(one.elector.is_leader)
        assert (one.leads, one.stopped, one.lost) == (1, 0, "")
        # But not once another has had it.
        lease.refuse_writes_of.add("first")
        now += 60.0
        lease.spec = {"holderIdentity": "", "leaseDurationSeconds": 1}
        lease.version += 1
        await until(lambda: bool(one.lost))
        assert one.stopped == 1
        task.cancel()
