"""Both ways to run apart from the SPIRE server, as shipped, in one cluster and on one server.

Their configurations name the same cluster; each runs with just the rights of its manifests.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.codec import convert
from api.core import Lease
from api.kinds import LEASE
from hack.control_plane import ControlPlane, service_account
from manager.names import OWNERS_NAMESPACE
from manager.process import Process
from registrar.claims.ownership import owner_lease
from registrar.settings.load import load
from registrar.settings.model import Settings, Webhooks
from tests.support.controllermanager import Manager
from tests.support.earlier import none_missing, until_recorded
from tests.support.setup import Setup, eventually, real_setup, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane((), tmp_path_factory.mktemp("side-by-side")) as plane:
        for folder in ("default", "overlays/controller-manager/apart"):
            plane.run_kubectl("apply", "-k", str(CONFIG / folder))
        yield plane


def shipped(file: str, account: str, setup: Setup, plane: ControlPlane) -> dict[str, object]:
    """What a file of the manifests says, but for addresses."""
    settings = load(CONFIG / file)
    assert settings.leader_election is not None
    manager = settings.controller_manager
    if manager is not None:
        webhooks = Webhooks(host="127.0.0.1", port=0)
        manager = replace(manager, webhooks=webhooks)
    found = replace(
        settings,
        spire=setup.settings.spire,
        metrics_addr="127.0.0.1:0",
        health_addr=None,
        drift_interval_seconds=setup.settings.drift_interval_seconds,
        kubeconfig=plane.kubeconfig_for(service_account("spire", account).user),
        leader_election=replace(settings.leader_election, namespace="spire"),
        controller_manager=manager,
    )
    return {name: getattr(found, name) for name in Settings.__dataclass_fields__}


async def is_recorded_as_owner(setup: Setup, process: Process, prefix: str) -> bool:
    """Whether the Lease of a prefix has a holder, and the process is ready."""
    path = LEASE.path(OWNERS_NAMESPACE, owner_lease(prefix))
    lease = convert(await setup.client.get(path), Lease)
    return bool(lease.spec.holder_identity) and process.why_not_ready() is None


async def test_each_has_a_prefix_of_its_own_and_leaves_the_other_alone(
    deployed: ControlPlane, tmp_path: Path
) -> None:
    async with real_setup(tmp_path, deployed) as setup:
        manager = Manager(setup)
        await manager.node()
        layered = await asyncio.to_thread(
            shipped, "manager/spire-k8s-registrar.conf", "spire-registrar", setup, deployed
        )
        other = await asyncio.to_thread(
            shipped,
            "overlays/controller-manager/apart/spire-controller-manager-config.yaml",
            "spire-controller-manager",
            setup,
            deployed,
        )
        assert layered["cluster"] == other["cluster"]
        async with setup.registrar(**layered) as one, setup.registrar(**other) as two:
            await setup.apply("web")
            await manager.template("all")
            await manager.pod("app")
            await setup.until_ready("web")
            await manager.until_paths("/web", "/ns/default/sa/default")

            def ids() -> set[str]:
                return {entry.id for entry in setup.all_entries()}

            await until_recorded(setup, ids)
            prefixes = sorted({name.partition(".")[0] for name in ids()})
            assert [prefix.rpartition("-")[2] for prefix in prefixes] == ["manager", "layered"]
            for process, prefix in zip((two, one), prefixes, strict=True):
                await eventually(lambda: is_recorded_as_owner(setup, process, prefix))  # noqa: B023
            async with none_missing(setup):
                for number in range(3):
                    await setup.apply("other", ttl=60 + number)
                    await setup.until_ready("other")
                    await manager.static_entry("other", hint=f"h{number}")
                    await until(
                        lambda: (
                            [e.hint for e in setup.entries("/static/other")] == [f"h{number}"]  # noqa: B023
                        )
                    )
