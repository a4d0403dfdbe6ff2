"""The status page of a registrar that runs: it says what ``explain`` says, to whoever may ask."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from api.codec import JSONObject
from api.documents import dump_yaml
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from manager.explain.model import Explanation
from manager.explain.running import MOST_OTHERS
from manager.process import Process
from manager.statuspage.pages import explanation_page
from manager.statuspage.server import MOST_WAITING, WithStatusPage
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    LeaderElection,
    PodIdentity,
    ReconcileMode,
    StaticManifests,
)
from tests.support.controllermanager import NODE, Manager
from tests.support.explaining import Asking, attest, put_for_agents
from tests.support.setup import Setup, until
from tests.support.statuspage import Browser, browsing
from tests.support.waiting import SECONDS, eventually

pytestmark = pytest.mark.usefixtures("in_spire")

MANAGER = ControllerManager(ignore_namespaces=("^kube-.*$", "infra"))
SA = "spiffe://example.org/ns/default/sa/default"


@dataclass
class Seen:
    """A registrar, its page, and the command ``explain`` beside it."""

    manager: Manager
    process: Process
    browser: Browser
    ask: Asking

    async def agree(self, subject: str, namespace: str = "default") -> Explanation:
        """See that the page says just what ``explain`` says of the same state, but for Events.

        What the registrar has just done it may learn, or write down, between the two questions.
        """
        kind, _, name = subject.partition("/")
        written = f"{namespace}/{name}" if kind == "pod" else name
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while True:
                    found = replace(await self.ask(subject, namespace), events=())
                    answer = await self.browser.search(written, kind)
                    wanted = str(explanation_page(found, kind, written))
                    if (answer.status, answer.text) == (200, wanted):
                        break
        assert (answer.status, answer.text) == (200, wanted)
        assert found.verdict in answer.page.lines
        return found

    async def process_is_idle(self, entries: int = 1) -> None:
        """Wait until all that is asked for is set, and nothing waits to be done."""
        counts = self.process.entry_counts

        async def is_idle() -> bool:
            lines = (await self.browser.get()).page.lines
            queues = [lines[lines.index(name) + 1] for name in ("spireentry", "spireentry-record")]
            return counts()["set"] == counts()["present"] >= entries and set(queues) == {"0"}

        await eventually(is_idle)


@asynccontextmanager
async def seen(manager: Manager, **changes: object) -> AsyncIterator[Seen]:
    """The page of a registrar that has done its first pass."""
    changed = {"controller_manager": MANAGER, **changes}
    async with (
        manager.setup.registrar(**changed) as process,
        browsing(process) as browser,
    ):
        yield Seen(manager, process, browser, Asking(manager.setup, changed))


async def a_node(manager: Manager) -> None:
    attest(manager.setup, NODE, await manager.node())


def foreign(setup: Setup, path: str, *selectors: str, entry_id: str = "theirs") -> str:
    """An entry that somebody else made; gives its ID."""
    parent = next(iter(setup.spire.state.agents), "spiffe://example.org/agent")
    entry = Entry(
        id=entry_id,
        spiffe_id=SPIFFEID(trust_domain="example.org", path=path),
        parent_id=SPIFFEID(trust_domain="example.org", path=parent.partition(".org")[2]),
        selectors=[Selector(type="k8s", value=value) for value in selectors],
    )
    setup.spire.state.put(entry)
    return entry_id


async def test_the_page_of_a_pod_says_what_explain_says(setup: Setup) -> None:
    manager = Manager(setup)
    await a_node(manager)
    await manager.template("all", federatesWith=["other.org"], hint="<h>")
    await manager.template("never", podSelector={"matchLabels": {"app": "x"}})
    await manager.pod("web-1")
    async with seen(manager) as both:
        await until(lambda: len(setup.entries()) == 1)
        found = await both.agree("pod/web-1")
        assert found.verdict.startswith(f"web-1 gets {SA}")
        assert [one.word for one in found.considered] == ["PodSelector"]
        # What stands on one page leads to the next.
        (entry,) = setup.entries()
        await both.agree(f"entry/{entry.id}")
        await both.agree(f"spiffe-id/{SA}")


@pytest.mark.parametrize(
    "workload", [None, ReconcileMode(), CRDMode()], ids=["layered", "reconcile", "crd"]
)
async def test_it_agrees_in_the_other_modes(
    manager: Manager, workload: ReconcileMode | CRDMode | None
) -> None:
    setup = manager.setup
    await a_node(manager)
    await setup.apply("web")
    await manager.pod("web-1", labels={"app": "web", "spiffe": "web"})
    await manager.pod("db-1", labels={"app": "db"})
    changes: dict[str, object] = {"controller_manager": None, "workload_registrar": workload}
    if workload is not None:
        changes["pods"] = PodIdentity("label", "spiffe")
    async with seen(manager, **changes) as both:
        await until(lambda: len(setup.entries("/web")) == 1)
        await both.process_is_idle()
        for subject in ("pod/web-1", "pod/db-1", "spiffe-id/spiffe://example.org/web"):
            await both.agree(subject)


async def test_it_agrees_without_a_cluster(manager: Manager, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    document: JSONObject = {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ClusterStaticEntry",
        "metadata": {"name": "one"},
        "spec": {
            "spiffeID": "spiffe://example.org/one",
            "parentID": "spiffe://example.org/agent",
            "selectors": ["unix:uid:0"],
        },
    }
    (folder / "one.yaml").write_text(dump_yaml(document), encoding="utf-8")
    static = ControllerManager(static_manifests=StaticManifests(folder))
    async with seen(manager, controller_manager=static, kubeconfig=None) as both:
        await until(lambda: len(manager.setup.entries("/one")) == 1)
        await both.agree("spiffe-id/spiffe://example.org/one")
        await both.agree("pod/web-1")


async def test_it_agrees_on_who_gets_nothing(manager: Manager) -> None:
    await a_node(manager)
    await manager.namespace("infra-shop")
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    await manager.template("broken", spiffeIDTemplate="{{ .PodMeta.Labels.none.none }}")
    await manager.pod("web-1", labels={"app": "wbe"})
    await manager.pod("db-1", namespace="infra-shop")
    await manager.pod("late-1", node="")
    async with seen(manager) as both:
        for name, namespace in (
            ("web-1", "default"),
            ("db-1", "infra-shop"),
            ("late-1", "default"),
            ("none-1", "default"),
        ):
            found = await both.agree(f"pod/{name}", namespace)
            assert found.has_identity is False
        for subject in ("entry/none", "spiffe-id/spiffe://example.org/none"):
            assert (await both.agree(subject)).has_identity is False


async def test_it_shows_what_stands_in_the_way_and_whose_it_is(manager: Manager) -> None:
    setup = manager.setup
    await a_node(manager)
    uid = await manager.pod("web-1")
    selectors = (f"pod-uid:{uid}",)
    foreign(setup, "/ns/default/sa/default", *selectors)
    foreign(setup, "/of-others", "ns:default", entry_id="others")
    foreign(setup, "/elsewhere", "ns:elsewhere", entry_id="elsewhere")
    await manager.template("all")
    async with seen(manager, adoption_policy="refuse") as both:
        found = await both.agree("pod/web-1")
        states = {one.key.spiffe_id.rpartition("/")[2]: one.entry for one in found.identities}
        assert states["default"].state == "foreign"
        assert states["default"].id == "theirs"
        assert states["of-others"].id == "others"
        assert "elsewhere" not in states
        for subject in ("entry/theirs", "entry/others", f"spiffe-id/{SA}"):
            assert (await both.agree(subject)).identities


async def test_it_says_which_entries_of_others_were_too_many(manager: Manager) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    put_for_agents(manager.setup.spire, MOST_OTHERS + 1)
    async with seen(manager) as both:
        await until(lambda: len(manager.setup.entries("/ns/default/sa/default")) == 1)
        page = (await both.browser.search("default/web-1")).page
    wanted = "of those for agents, only the first 1000 were looked at, and no more than 10000"
    assert wanted in page.text


async def test_it_shows_who_masks_whom(manager: Manager) -> None:
    await a_node(manager)
    made = [await manager.template(name) for name in ("one", "two")]
    # Timestamps are seconds: within one the uid decides.
    made.sort(key=lambda obj: (obj.metadata.creation_timestamp or "", obj.metadata.uid))
    younger = made[1].metadata.name
    await manager.pod("web-1")
    async with seen(manager) as both:
        await until(lambda: len(manager.setup.entries()) == 1)
        await manager.until_stats(younger, entries_masked=1)
        found = await both.agree("pod/web-1")
        (masked,) = found.considered
        assert (masked.word, str(masked.by)) == ("Masked", f"ClusterSPIFFEID {younger}")


async def test_what_the_server_refuses_is_said_by_the_pod_and_by_the_overview(
    manager: Manager,
) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    manager.setup.spire.faults.fail_entry(lambda _: True, message="<no>")
    async with seen(manager) as both:
        await until(lambda: both.process.entry_counts()["failed"] == 1)
        page = (await both.browser.search("default/web-1")).page
        assert "web-1 gets nothing, because the SPIRE server has no entry" in page.text
        assert "<no>" in page.text
        overview = (await both.browser.get()).page
        at = overview.lines.index(SA)
        assert overview.lines[at + 1 : at + 3] == ["ClusterSPIFFEID all", "Failed"]


async def test_the_overview_counts_entries_and_queues_and_shows_the_last_warnings(
    manager: Manager,
) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.template("broken", spiffeIDTemplate="{{ wrong")
    await manager.pod("web-1")
    async with seen(manager) as both:
        await both.process_is_idle(1)
        logging.getLogger("elsewhere").warning("<script>alert(1)</script>\u202e")
        logging.getLogger("elsewhere").info("no warning")
        page = (await both.browser.get()).page
        lines = page.lines
        for name, value in (
            ("mode", "controller-manager"),
            ("trust domain", "example.org"),
            ("cluster", "test"),
            ("of these: on the SPIRE server as asked for", "1"),
            ("spireentry", "0"),
        ):
            assert lines[lines.index(name) + 1] == value
        assert "ClusterSPIFFEID broken" in lines
        assert any("<script>alert(1)</script>\\u202e" in line for line in lines)
        assert "no warning" not in page.text


async def test_a_standby_says_who_works_and_answers_nothing_else(manager: Manager) -> None:
    election = LeaderElection(namespace="default", name="leader")
    changes: dict[str, object] = {"leader_election": election, "controller_manager": MANAGER}
    async with (
        manager.setup.registrar(**changes) as leader,
        manager.setup.starting(**changes) as standby,
        browsing(leader) as first,
        browsing(standby) as second,
    ):
        await until(lambda: "nobody" not in standby.leaders and "default/leader" in standby.leaders)
        page = (await second.get()).page
        assert "This replica stands by and knows nothing of entries." in page.text
        holder = standby.leaders.partition(" ")[0]
        assert holder in page.text
        assert f"{holder} (this process)" in (await first.get()).page.text
        answer = await second.search("default/web-1")
        assert answer.status == 503
        assert "stands by" in answer.page.text
        assert (await first.search("default/web-1")).status == 200


async def test_a_registrar_that_waits_for_its_servers_says_so(manager: Manager) -> None:
    manager.setup.spire.faults.fail("ListEntries", message="down")
    async with (
        manager.setup.starting(controller_manager=MANAGER) as process,
        browsing(process) as browser,
    ):
        assert "Not ready: " in (await browser.get()).page.text
        answer = await browser.search("default/web-1")
        assert answer.status == 503
        assert answer.headers["Retry-After"]


async def test_what_cannot_be_asked_of_the_spire_server_is_said(manager: Manager) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    async with seen(manager) as both:
        await until(lambda: len(manager.setup.entries()) == 1)
        manager.setup.spire.faults.fail("ListAgents", message="gone")
        answer = await both.browser.search("default/web-1")
    assert answer.status == 200
    assert "nobody can tell whether web-1 gets" in answer.page.text
    assert "gone" in answer.page.text


async def test_a_question_costs_one_request_to_the_api_server(manager: Manager) -> None:
    await a_node(manager)
    await manager.template("all")
    for number in range(5):
        await manager.pod(f"web-{number}")
    async with seen(manager) as both:
        await until(lambda: len(manager.setup.entries()) == 5)
        await both.browser.search("default/web-1")
        lists = manager.setup.spire.calls["ListAgents"]
        before = requests(both)
        for number in range(5):
            await both.browser.search(f"default/web-{number}")
            await both.browser.search(SA)
        assert requests(both) - before == 5
        # The agents of a moment ago are those of now, on a slow machine too.
        assert manager.setup.spire.calls["ListAgents"] - lists < 5


def requests(both: Seen) -> float:
    """How often the registrar has read from the API server."""
    found = both.process.metrics.registry.restricted_registry(["rest_client_requests_total"])
    samples = [sample for metric in found.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.labels["method"] == "GET")


async def test_who_asks_too_much_at_once_is_sent_away_and_the_others_are_answered(
    manager: Manager,
) -> None:
    await a_node(manager)
    async with seen(manager) as both:
        with manager.setup.spire.faults.held("ListAgents"):
            async with asyncio.TaskGroup() as tasks:
                asking = [
                    tasks.create_task(both.browser.search(f"default/web-{number}"))
                    for number in range(MOST_WAITING + 4)
                ]
                await until(lambda: sum(task.done() for task in asking) == 4)
                turned_away = [task.result() for task in asking if task.done()]
                assert {answer.status for answer in turned_away} == {503}
                assert all("Too many questions" in answer.page.text for answer in turned_away)
                manager.setup.spire.faults.clear()
        assert sorted(task.result().status for task in asking) == [200] * MOST_WAITING + [503] * 4


async def test_the_program_serves_the_page_while_it_works(manager: Manager) -> None:
    settings = replace(
        manager.setup.settings, controller_manager=MANAGER, status_page_addr="127.0.0.1:0"
    )
    program = WithStatusPage(Process(settings), field="statusPage.bindAddress")
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
        running = tasks.create_task(program.run())
        await until(lambda: program.page is not None and program.page.port > 0)
        assert program.page is not None
        assert (await Browser(program.page, http).get()).status == 200
        running.cancel()
