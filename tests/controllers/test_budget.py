"""The delete budget: what is withheld, what is not, and where a person agrees."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.kinds import SPIRE_ENTRY
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    DeletionBudget,
    PodIdentity,
    ReconcileMode,
)
from tests.support.podwebhook import Asked, review
from tests.support.setup import Setup, some_looks, until

SMALL = DeletionBudget(count=1, fraction=0.05)
NAMES = [f"p{number}" for number in range(6)]
NAMESPACE = "/api/v1/namespaces/default"
CONFIRM = "spiffeid.spiffe.io/confirm-deletions"

MODES: dict[str, dict[str, object]] = {
    "layered": {"pods": PodIdentity("label", "spiffe")},
    "controller manager": {"controller_manager": ControllerManager()},
    "reconcile": {
        "workload_registrar": ReconcileMode(),
        "pods": PodIdentity("label", "spiffe"),
    },
    "crd": {"workload_registrar": CRDMode(), "pods": PodIdentity("label", "spiffe")},
}


@pytest.fixture
async def cluster(embedded: Setup, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("MY_POD_NAMESPACE", "default")
    cluster = Asked(embedded)
    await cluster.node()
    return cluster


def of_pods(cluster: Asked) -> int:
    paths = [entry.spiffe_id.path.removeprefix("/") for entry in cluster.setup.all_entries()]
    return sum(path in NAMES for path in paths)


async def make_pods(cluster: Asked) -> None:
    await cluster.template("all", spiffeIDTemplate="/{{ .PodMeta.Name }}")
    for name in NAMES:
        await cluster.pod(name, labels={"spiffe": name})


@pytest.mark.parametrize("mode", MODES)
async def test_pods_that_are_seen_to_go_are_no_accident(cluster: Asked, mode: str) -> None:
    settings = {**MODES[mode], "deletion_budget": SMALL, "drift_interval_seconds": 3600.0}
    async with cluster.setup.registrar(**settings):
        await make_pods(cluster)
        await until(lambda: of_pods(cluster) == len(NAMES))
        for name in NAMES:
            await cluster.delete_pod(name)
        await until(lambda: of_pods(cluster) == 0)


async def test_pods_of_which_the_webhook_hears_that_they_go_are_no_accident(
    cluster: Asked, tmp_path: Path
) -> None:
    for resource in ("pods", "namespaces"):
        cluster.faults.fail(None, status=403, method="list", resource=resource)
    async with cluster.mode(tmp_path, deletion_budget=SMALL, drift_interval_seconds=3600.0):
        for name in NAMES:
            await cluster.ask(review("CREATE", name))
        await until(lambda: len(cluster.setup.entries()) == len(NAMES))
        for name in NAMES:
            await cluster.ask(review("DELETE", name))
        await until(lambda: not cluster.setup.entries())


@contextlib.asynccontextmanager
async def _webhook(cluster: Asked, folder: Path) -> AsyncIterator[None]:
    async with cluster.mode(
        folder, PodIdentity("label", "spiffe"), deletion_budget=SMALL
    ) as process:
        await until(lambda: process.first_pass_is_over)
        yield


async def test_the_webhook_mode_without_records_asks_in_its_namespace(
    cluster: Asked, tmp_path: Path
) -> None:
    await cluster.client.delete(
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{SPIRE_ENTRY.resource}"
    )
    async with _webhook(cluster, tmp_path):
        for name in NAMES:
            await cluster.pod(name, labels={"spiffe": name})
        await until(lambda: of_pods(cluster) == len(NAMES))
    for name in NAMES:
        await cluster.delete_pod(name)
    async with _webhook(cluster, tmp_path):
        await some_looks(cluster.setup)
        assert of_pods(cluster) == len(NAMES)
        word = {CONFIRM: str(len(NAMES))}
        await cluster.client.merge(NAMESPACE, {"metadata": {"annotations": word}})  # type: ignore[dict-item]
        await until(lambda: of_pods(cluster) == 0)
