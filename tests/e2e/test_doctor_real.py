"""`doctor` on a real API server and a real SPIRE server: what embedded ones could get wrong."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.documents import dump_yaml
from hack.control_plane import ControlPlane, service_account
from hack.spire import RealServer
from manager.doctor import agents, apiserver, entries, kinds, leases, spireserver
from manager.doctor.finding import Level
from tests.support.installation import ELECTION, Installation, at_work, installation
from tests.support.rights import of_folder
from tests.support.setup import eventually, real_setup

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
ACCOUNT = "spire-controller-manager"


@pytest.fixture
async def bare(tmp_path: Path, real_control_plane: ControlPlane) -> AsyncIterator[Installation]:
    async with (
        real_setup(tmp_path, real_control_plane) as setup,
        installation(setup, tmp_path) as made,
    ):
        yield made


@pytest.mark.real("control plane", "spire")
@pytest.mark.slow
async def test_real_servers_are_found_to_be_right(
    tmp_path: Path, real_control_plane: ControlPlane, real_spire_server: RealServer
) -> None:
    async with (
        real_setup(tmp_path, real_control_plane, real_spire_server) as setup,
        installation(setup, tmp_path) as made,
        at_work(made),
    ):
        found = await made.findings()
        assert [each for each in made.said if each.level is ERROR] == []
        for check in (
            apiserver.REACHED,
            apiserver.CLOCK,
            apiserver.RIGHTS,
            kinds.KINDS,
            spireserver.TRUST_DOMAIN,
            spireserver.ACCESS,
            spireserver.AUTHORITY,
            leases.LEADER,
            leases.PREFIX,
            entries.LOST,
            entries.UNRECORDED,
            entries.CLOCK,
        ):
            assert [each.level for each in found[check]] == [OK], found[check]
        # Nobody was attested there, and the server says so.
        assert "no agent is attested by k8s_psat" in found[agents.CLUSTER][0].summary
        assert made.front.writes == []


@pytest.mark.real
@pytest.mark.slow
async def test_the_rights_of_an_account_are_those_that_rbac_gives(
    bare: Installation, real_control_plane: ControlPlane
) -> None:
    plane = real_control_plane
    bare.account = f"spire/{ACCOUNT}"
    bare.namespace = "spire"
    election = replace(ELECTION, namespace="spire")
    found = (await bare.findings(apiserver.RIGHTS, leader_election=election))[apiserver.RIGHTS]
    assert {each.level for each in found} == {WARNING, ERROR}
    assert any("list, watch pods" in each.summary for each in found)
    text = "---\n".join(map(dump_yaml, of_folder("overlays/controller-manager/rbac")))
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: spire}\n---\n"
    await asyncio.to_thread(plane.run_kubectl, "apply", "-f", "-", stdin=namespace + text)
    try:

        async def has_all() -> bool:
            checks = await bare.findings(apiserver.RIGHTS, leader_election=election)
            return [each.level for each in checks[apiserver.RIGHTS]] == [OK]

        await eventually(has_all)
        who = service_account("spire", ACCOUNT)
        own = await asyncio.to_thread(plane.kubeconfig_for, who.user, who.groups)
        bare.account = ""
        checks = await bare.findings(leader_election=election, kubeconfig=own)
        # As the registrar itself it sees less, and that is said; its own rights it may ask for.
        assert checks[apiserver.RIGHTS][0].level is OK
        assert f"spire/{ACCOUNT}" in checks[apiserver.RIGHTS][0].summary
        assert "cannot be compared" in checks[kinds.KINDS][-1].summary
    finally:
        await asyncio.to_thread(plane.run_kubectl, "delete", "-f", "-", stdin=text)


@pytest.mark.real
@pytest.mark.slow
async def test_an_account_without_any_right_sees_findings_and_no_failure(
    bare: Installation, real_control_plane: ControlPlane
) -> None:
    nobody = await asyncio.to_thread(real_control_plane.kubeconfig_for, "nobody")
    await bare.findings(kubeconfig=nobody)
    unlooked = [each for each in bare.said if "cannot be looked at" in each.summary]
    assert len(unlooked) > 3
    assert all("has the right" in each.remedy for each in unlooked if "forbidden" in each.summary)
