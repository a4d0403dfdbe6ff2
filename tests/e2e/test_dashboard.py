"""The dashboard: each query has data, asked of a Prometheus that scrapes what runs."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from api.codec import JSONObject
from devcluster.kubelet import Kubelet
from devcluster.spire.authority import Authority
from hack.monitoring.dashboard import ROWS, Panel
from hack.monitoring.prometheus import Prometheus
from manager.csiprocess import CSIProcess
from registrar.csi.identity import DRIVER_NAME
from registrar.settings.csi import CSISettings
from registrar.settings.model import LeaderElection
from registrar.spire.background import background
from tests.support.csi import NODE, Node
from tests.support.federation import PARTNER
from tests.support.federationstory import Story, authority_bundle
from tests.support.prometheus import need_programs
from tests.support.setup import Setup, embedded_setup, eventually

pytestmark = pytest.mark.slow

TEMPLATE: JSONObject = {
    "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}",
    "podSelector": {"matchLabels": {"app": "web"}},
}
ELECTION = LeaderElection("default", "registrar", 30.0, 20.0, 0.1)
PANELS = [panel for row in ROWS for panel in row.panels]


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Setup]:
    async with embedded_setup(tmp_path) as made:
        yield made


async def test_every_query_of_the_dashboard_has_data(node: Node, embedded: Setup) -> None:
    programs = need_programs()
    story = Story(embedded)
    shown = authority_bundle(Authority("partner.test"), "one")
    story.spire.endpoints.show(str(PARTNER["bundleEndpointURL"]), shown)
    driver = CSIProcess(settings_of(node))
    async with (
        story.running(
            bundle_refresh_interval_seconds=1.0, settings_leader_election=ELECTION
        ) as process,
        background() as tasks,
        Kubelet.start(node.kubelet_dir) as kubelet,
    ):
        tasks.create_task(driver.run())
        await kubelet.registered(DRIVER_NAME)
        await story.partner()
        await story.node()
        await story.template("web", **TEMPLATE)
        targets = {
            port: {"namespace": "spire", "pod": f"pod-{port}"}
            for port in (process.port, driver.port)
        }
        server = await asyncio.to_thread(Prometheus(programs, targets).__enter__)
        try:
            async with background() as busy:
                busy.create_task(keep_busy(story, node, kubelet))
                without = PANELS

                async def has_all() -> bool:
                    nonlocal without
                    without = await without_data(server, without)
                    return not without

                await eventually(has_all, 120)
        except TimeoutError:
            pytest.fail(f"no data: {[panel.title for panel in without]}")
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def settings_of(node: Node) -> CSISettings:
    """A driver that tells the API server nothing."""
    folder = node.folder
    return CSISettings(
        node_name=NODE,
        agent_admin_socket=node.agent.admin_socket,
        workload_api_socket=None,
        csi_socket=folder / "csi.sock",
        endpoint=folder / "csi.sock",
        registration_dir=node.kubelet_dir / "plugins_registry",
        kubelet_dir=node.kubelet_dir,
        data_dir=node.records,
        first_svid_timeout=30.0,
        agent_away=30.0,
        events=False,
        metrics_addr="127.0.0.1:0",
        log_level="info",
        log_format="text",
        log_path=None,
        kubeconfig=None,
    )


async def keep_busy(story: Story, node: Node, kubelet: Kubelet) -> None:
    """Pods come, with a volume of the node driver, until cancelled: rates need what changes."""
    for number in itertools.count():
        name = f"web-{number}"
        await story.pod(name, labels={"app": "web"})
        pod = node.pod()
        node.entry(pod)
        await kubelet.publish(DRIVER_NAME, pod.volume())
        await story.setup.until_entries(f"/{name}", 1)
        if number:
            # An edit, and what nobody asks for any more.
            await story.template("web", **TEMPLATE, ttl=f"{600 + number}s")
            await story.delete_pod(f"web-{number - 1}")


async def without_data(server: Prometheus, panels: Sequence[Panel]) -> list[Panel]:
    """The panels of which a query has no number yet."""
    found = []
    for panel in panels:
        for query in panel.queries:
            asked = query.expression.replace("$__rate_interval", "10s").replace("$namespace", ".*")
            values = await asyncio.to_thread(server.values, asked)
            if all(map(math.isnan, values)):
                found.append(panel)
                break
    return found
