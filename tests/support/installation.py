"""An installation for `doctor` to look at: servers, a front that records, maybe a registrar."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.codec import JSONObject
from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from manager.doctor import entries
from manager.doctor.checks import IN_CLUSTER, WITHOUT_CLUSTER
from manager.doctor.examination import examine
from manager.doctor.finding import Finding, Level
from manager.doctor.world import opened
from manager.process import Process
from registrar.settings.model import ControllerManager, LeaderElection, Settings
from tests.support.controllermanager import Manager
from tests.support.front import Front, front
from tests.support.setup import Setup, eventually

NAMESPACE = "default"
ELECTION = LeaderElection(NAMESPACE, "registrar")


@dataclass
class Installation:
    """The controller manager's mode, and what `doctor` sees of it."""

    setup: Setup
    front: Front
    settings: Settings
    metrics: str = ""
    account: str = ""
    namespace: str = NAMESPACE
    node: str = ""
    said: list[Finding] = field(default_factory=list)
    process: Process | None = None
    """The registrar, while one works."""

    async def findings(self, *only: str, **changes: object) -> dict[str, list[Finding]]:
        """What is found, by check: of all of them, or only of those."""
        found: dict[str, list[Finding]] = {}
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        async with opened(
            settings,
            namespace=self.namespace,
            metrics_url=self.metrics,
            account=self.account,
            pause_seconds=0.05,
        ) as world:
            checks = IN_CLUSTER if world.has_cluster else WITHOUT_CLUSTER
            wanted = [check for check in checks if not only or check.name in only]
            async for _, finding in examine(wanted, world):
                found.setdefault(finding.check, []).append(finding)
        self.said = [each for many in found.values() for each in many]
        return found

    async def of(self, check: str, level: Level, words: str, **changes: object) -> Finding:
        """The one finding of a check that is of that level, which says these words."""
        # One check says both of records and entries.
        name = entries.LOST if check == entries.UNRECORDED else check
        every = (await self.findings(name, **changes))[check]
        found = [each for each in every if each.level is level]
        assert len(found) == 1, self.said
        assert words in found[0].summary, found
        assert level is Level.OK or (found[0].meaning and found[0].remedy), found
        return found[0]

    def agent(self, uid: str, cluster: str = "test", **fields: object) -> str:
        """An attested agent on a Node of that uid; gives its SPIFFE ID."""
        path = f"/spire/agent/k8s_psat/{cluster}/{uid}"
        agent = types_pb2.Agent(
            id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
            attestation_type="k8s_psat",
            x509svid_expires_at=int(time.time()) + 3600,
        )
        for name, value in fields.items():
            setattr(agent, name, value)
        self.setup.spire.state.agents[path] = agent
        return f"spiffe://example.org{path}"

    async def lease(
        self, namespace: str, name: str, *, holder: str, seconds_ago: float, words: str = ""
    ) -> None:
        """A Lease that somebody renewed then."""
        renewed = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        annotations: JSONObject = {"spiffeid.spiffe.io/held-by": words} if words else {}
        metadata: JSONObject = {"name": name, "namespace": namespace, "annotations": annotations}
        await self.setup.client.apply(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata,
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": 15,
                    "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                },
            }
        )


@contextlib.asynccontextmanager
async def installation(setup: Setup, folder: Path) -> AsyncIterator[Installation]:
    """Servers on which no registrar has run yet."""
    async with front(setup) as recorder:
        settings = replace(
            setup.settings,
            kubeconfig=recorder.kubeconfig(folder),
            leader_election=ELECTION,
            controller_manager=ControllerManager(),
        )
        yield Installation(setup, recorder, settings)


@contextlib.asynccontextmanager
async def at_work(made: Installation, **config: object) -> AsyncIterator[Manager]:
    """A registrar that works, a Node with its agent, and a Pod with its entry."""
    manager = Manager(made.setup)
    made.node = await manager.node()
    if isinstance(made.setup.spire_server, SpireServer):
        # On a real one nobody can put an agent there that has proved nothing.
        made.agent(made.node)
    await manager.template("all")
    await manager.pod("web")
    async with manager.running(settings_leader_election=ELECTION, **config) as process:
        await eventually(lambda: _is_recorded(made.setup))
        made.metrics = f"http://127.0.0.1:{process.port}/metrics"
        made.process = process
        yield manager
        made.metrics, made.process = "", None


async def _is_recorded(setup: Setup) -> bool:
    """Whether the entry is recorded, and what came of it."""
    found = await setup.spire_entries()
    return bool(found) and bool(found[0].status.entry_id)
