"""A mode has the same rights wherever it runs: beside a server, in deploy/, in the Helm chart.

So what tests/e2e/test_rights.py finds of a mode, with its role alone, holds for all of them.
"""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.support.manifests import render
from tests.support.rights import RECORD, Grant, accounts, grants, of_folder
from tests.support.topologies import DEPLOY

pytestmark = pytest.mark.real

MANAGER = ("overlays/controller-manager/rbac", "spire-controller-manager")
LAYERED = ("rbac", "spire-registrar")
_CONFIGURATIONS = "admissionregistration.k8s.io/validatingwebhookconfigurations"
NOT_IN_TOPOLOGIES = {
    Grant(verb, _CONFIGURATIONS, name="spire-controller-manager-webhook")
    for verb in ("get", "patch")
}
"""The registrars of deploy/ have no webhook."""
OF_SPIRE = {"authentication.k8s.io/tokenreviews", "/pods", "/nodes", "/configmaps"}
"""What the SPIRE server beside a registrar asks the API server about."""


def own(given: Iterable[Grant]) -> set[Grant]:
    """The same rights, whatever the registrar's own namespace is called."""
    return {
        replace(grant, namespace="own") if grant.namespace not in {"", "kube-public"} else grant
        for grant in given
    }


def mode_of(folder: str, account: str) -> set[Grant]:
    """The rights of a mode, which its test has found to be all used and enough."""
    return own(grants(of_folder(folder), "spire", account))


@pytest.mark.parametrize(
    ("folder", "mode"),
    [("samples/sidecar", LAYERED), ("samples/controller-manager-sidecar", MANAGER)],
)
def test_a_registrar_beside_the_server_has_the_same_rights(
    folder: str, mode: tuple[str, str]
) -> None:
    server = own(grants(of_folder("samples/spire-server"), "spire", "spire-server"))
    given = own(grants(of_folder(folder), "spire", "spire-server"))
    assert given == server | mode_of(*mode)


def test_the_registrars_of_the_topologies_have_no_others() -> None:
    documents = render(DEPLOY / "nested").objects
    given = {each: own(grants(documents, *each)) for each in accounts(documents)}
    registrars = {account: found for account, found in given.items() if RECORD in found}
    assert len(registrars) == 3
    wanted = mode_of(*MANAGER) - NOT_IN_TOPOLOGIES
    for account, found in registrars.items():
        assert wanted - found == set(), account
        assert {grant.resource for grant in found - wanted} <= OF_SPIRE, account


def test_the_extra_rights_for_the_chart_are_the_rest() -> None:
    """The chart's own role has the original's: what templates see, its kinds, its namespace."""
    given = own(grants(of_folder("overlays/helm-chart"), "spire-server", "spire-server"))
    charts = ("spire.spiffe.io/", "admissionregistration.", "/pods", "/nodes", "/namespaces")
    assert given == {
        grant
        for grant in mode_of(*MANAGER)
        if grant.namespace != "own" and not grant.resource.startswith(charts)
    }
