"""What `doctor` asks for is what the manifests give, right by right: neither can drift alone.

tests/e2e/test_rights.py holds the same manifests against what each mode really uses.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.documents import load_yaml_documents
from controllers.rights import Need
from manager.modes.choice import mode_of
from manager.rights import needs_of
from registrar.settings.load import interpret
from registrar.settings.model import CRDMode, LeaderElection, PodIdentity, ReconcileMode, Settings
from tests.support.manifests import CONFIG
from tests.support.podwebhook import webhook_mode
from tests.support.rights import Grant, grants


def documents(*files: str) -> list[JSONObject]:
    return [
        each
        for file in files
        for each in load_yaml_documents((CONFIG / file).read_text(encoding="utf-8"))
        if isinstance(each, dict) and each["kind"] != "Service"
    ]


def shipped(file: str) -> Settings:
    return interpret((CONFIG / file).read_text(encoding="utf-8"), path=CONFIG / file)


def needs(settings: Settings) -> list[Need]:
    return needs_of(settings, mode_of(settings, namespace="spire"), namespace="spire")


def granted(settings: Settings) -> set[Grant]:
    """What is needed, in the words of the manifests' test."""
    return {
        Grant(n.right.verb, f"{n.right.group}/{n.right.resource}", n.right.namespace, n.right.name)
        for n in needs(settings)
    }


async def test_the_layered_mode_needs_what_its_role_gives() -> None:
    given = documents(
        "rbac/role.yaml",
        "rbac/role_binding.yaml",
        "rbac/leader_election_role.yaml",
        "rbac/leader_election_role_binding.yaml",
    )
    settings = replace(shipped("manager/spire-k8s-registrar.conf"), pods=PodIdentity("label", "x"))
    assert granted(settings) == grants(given, "spire", "spire-registrar")


@pytest.mark.may_block  # the file of this mode is read with the resolver's
async def test_the_controller_managers_mode_needs_what_its_role_gives() -> None:
    folder = "overlays/controller-manager"
    given = documents(f"{folder}/rbac/role.yaml", f"{folder}/rbac/bindings.yaml")
    settings = shipped(f"{folder}/apart/spire-controller-manager-config.yaml")
    needed = granted(settings)
    webhook = {
        grant
        for grant in grants(given, "spire", "spire-controller-manager")
        if "admissionregistration" in grant.resource
    }
    assert len(webhook) == 2
    assert needed | webhook == grants(given, "spire", "spire-controller-manager")


@pytest.mark.parametrize("mode", ["reconcile", "crd"])
async def test_the_workload_registrars_modes_need_what_their_roles_give(mode: str) -> None:
    folder = f"overlays/workload-registrar/{mode}"
    settings = shipped(f"{folder}/k8s-workload-registrar.conf")
    workload = settings.workload_registrar
    if isinstance(workload, ReconcileMode):
        workload = replace(workload, dns_zone="example.org")
    assert isinstance(workload, ReconcileMode | CRDMode)
    settings = replace(settings, workload_registrar=workload)
    assert granted(settings) == grants(documents(f"{folder}/role.yaml"), "spire", "spire-server")


async def test_webhook_mode_needs_what_its_role_gives(tmp_path: Path) -> None:
    folder = "overlays/workload-registrar/webhook"
    settings = replace(
        shipped("overlays/workload-registrar/reconcile/k8s-workload-registrar.conf"),
        workload_registrar=webhook_mode(tmp_path),
        leader_election=None,
    )
    assert granted(settings) == grants(documents(f"{folder}/role.yaml"), "spire", "spire-server")


async def test_what_is_left_out_of_the_configuration_is_not_needed() -> None:
    settings = replace(shipped("manager/spire-k8s-registrar.conf"), pods=PodIdentity("label", "x"))
    less = replace(settings, pods=None, leader_election=None, entry_id_prefix="ours")
    gone = granted(settings) - granted(less)
    assert {grant.resource for grant in gone} >= {"/pods", "/namespaces"}
    assert Grant("get", "/namespaces", name="kube-system") in gone
    assert not {grant for grant in granted(less) if grant.namespace == "spire"}


async def test_a_lease_elsewhere_is_needed_there() -> None:
    settings = replace(
        shipped("manager/spire-k8s-registrar.conf"), leader_election=LeaderElection("other", "x")
    )
    assert Grant("patch", "coordination.k8s.io/leases", "other") in granted(settings)
