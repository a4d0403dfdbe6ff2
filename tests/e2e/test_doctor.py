"""`doctor` on a healthy installation, and on ones that are broken in one way each.

The servers are embedded ones and the registrar is the real process. What `doctor` asks goes
through a front that records it, so that it is seen to change nothing.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.codec import JSONObject, JSONValue
from api.kinds import CLUSTER_SPIFFEID, SPIRE_ENTRY
from api.proto import types_pb2
from manager.doctor import (
    agents,
    apiserver,
    entries,
    federation,
    kinds,
    leases,
    running,
    spireserver,
    webhooks,
)
from manager.doctor.checks import IN_CLUSTER, WITHOUT_CLUSTER
from manager.doctor.examination import examine
from manager.doctor.finding import Finding, Level
from manager.doctor.world import opened
from manager.process import Process
from registrar.settings.model import (
    ControllerManager,
    LeaderElection,
    Settings,
    StaticManifests,
    UnixAddress,
    Webhooks,
)
from tests.support.controllermanager import NODE, Manager
from tests.support.federation import seed
from tests.support.front import Front, front
from tests.support.setup import Setup, changed, embedded_setup, eventually, until

NAMESPACE = "default"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/registrar"
ELECTION = LeaderElection(NAMESPACE, "registrar")


@dataclass
class Installation:
    """A registrar in the controller manager's mode, and what `doctor` sees of it."""

    setup: Setup
    front: Front
    settings: Settings
    process: Process | None = None

    async def findings(self, **changes: object) -> dict[str, list[Finding]]:
        """What is found, by check."""
        metrics = "" if self.process is None else f"http://127.0.0.1:{self.process.port}/metrics"
        found: dict[str, list[Finding]] = {}
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        async with opened(
            settings, namespace=NAMESPACE, metrics_url=metrics, pause_seconds=0.05
        ) as world:
            checks = IN_CLUSTER if world.has_cluster else WITHOUT_CLUSTER
            async for _, finding in examine(checks, world):
                found.setdefault(finding.check, []).append(finding)
        return found

    async def only(self, check: str, level: Level, **changes: object) -> Finding:
        """The one finding of a check, of that level."""
        found = (await self.findings(**changes))[check]
        assert [each.level for each in found] == [level], found
        return found[0]

    async def agent(self, uid: str, cluster: str = "test", **fields: object) -> str:
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


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Installation]:
    """Servers on which no registrar has run."""
    async with embedded_setup(tmp_path) as setup, front(setup) as recorder:
        settings = replace(
            setup.settings,
            kubeconfig=recorder.kubeconfig(tmp_path),
            leader_election=ELECTION,
            controller_manager=ControllerManager(),
        )
        yield Installation(setup, recorder, settings)


@pytest.fixture
async def healthy(bare: Installation) -> AsyncIterator[Installation]:
    """A registrar that works, a Node with its agent, and a Pod with its entry."""
    manager = Manager(bare.setup)
    await bare.agent(await manager.node())
    await manager.template("all")
    await manager.pod("web")
    async with manager.running(settings_leader_election=ELECTION) as process:
        await bare.setup.until_entries("/ns/default/sa/default", 1)
        await eventually(lambda: is_recorded(bare.setup))
        bare.process = process
        yield bare
        bare.process = None


async def is_recorded(setup: Setup) -> bool:
    """Whether the entry is recorded, and what came of it."""
    found = await setup.spire_entries()
    return bool(found) and bool(found[0].status.entry_id)


def errors(found: dict[str, list[Finding]]) -> list[Finding]:
    return [each for many in found.values() for each in many if each.level is Level.ERROR]


def not_ok(found: dict[str, list[Finding]]) -> list[Finding]:
    return [each for many in found.values() for each in many if each.level is not Level.OK]


async def test_all_is_well_where_it_is_and_nothing_is_written(healthy: Installation) -> None:
    calls = dict(healthy.setup.spire.calls)
    found = await healthy.findings()
    assert not_ok(found) == []
    names = {check.name for check in IN_CLUSTER} | {entries.UNRECORDED}
    assert set(found) == names
    assert healthy.front.writes == []
    assert len(healthy.front.reviewed) > 10
    made = {m for m, n in healthy.setup.spire.calls.items() if n > calls.get(m, 0)}
    assert all(method.startswith(("List", "Get", "Count")) for method in made), made
