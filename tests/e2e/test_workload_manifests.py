"""The workload registrar's modes with just the rights of their manifests, and of the originals'.

In crd mode the real API server asks the webhook, whose certificate SPIRE minted.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.documents import load_yaml_documents
from api.kinds import SPIFFE_ID
from hack.control_plane import ControlPlane
from hack.processes import free_port
from registrar.admission.material import (
    Algorithms,
    Service,
    config_map,
    make_material,
    secret,
)
from registrar.settings.load import load
from registrar.settings.model import CRDMode, PodIdentity, ReconcileMode, Settings, WebhookMode
from tests.support.controllermanager import NODE
from tests.support.podwebhook import write_material
from tests.support.setup import eventually, real_setup
from tests.support.workload import Workload, address

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = Path(__file__).resolve().parents[2] / "config"
MODES = ("crd", "reconcile", "webhook")
USER = "system:serviceaccount:spire:spire-server"
ORIGINAL = "system:serviceaccount:spire:original"
DEFAULT = "/ns/default/sa/default"

READ = ["get", "list", "watch"]
ORIGINAL_RULES: list[JSONObject] = [
    {"apiGroups": [""], "resources": ["pods", "nodes", "endpoints"], "verbs": [*READ]},
    {
        "apiGroups": ["spiffeid.spiffe.io"],
        "resources": ["spiffeids"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    },
    {
        "apiGroups": ["spiffeid.spiffe.io"],
        "resources": ["spiffeids/status"],
        "verbs": ["get", "patch", "update"],
    },
    # The one kind that the original did not have.
    {
        "apiGroups": ["spiffeid.spiffe.io"],
        "resources": ["spireentries"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    },
]
"""What the original's roles allow in crd mode; those of reconcile mode are the first rule."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane((), tmp_path_factory.mktemp("workload-manifests")) as made:
        for mode in MODES:
            made.run_kubectl("apply", "-k", str(CONFIG / f"samples/workload-registrar-{mode}"))
        made.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
        yield made


@pytest.fixture
async def cluster(tmp_path: Path, plane: ControlPlane) -> AsyncIterator[Workload]:
    async with real_setup(tmp_path, plane) as setup:
        cluster = Workload(setup)
        await cluster.node()
        yield cluster


async def settings_of(mode: str, plane: ControlPlane) -> Settings:
    """The configuration of a mode's manifests, with the rights of their service account."""
    file = CONFIG / f"overlays/workload-registrar/{mode}/k8s-workload-registrar.conf"
    settings = await asyncio.to_thread(load, file)
    assert not settings.warnings
    return replace(settings, kubeconfig=await asyncio.to_thread(plane.kubeconfig_for, USER))


def election_of(settings: Settings) -> dict[str, object]:
    assert settings.leader_election is not None
    return {"leader_election": replace(settings.leader_election, namespace="spire")}


async def test_crd_mode_works_with_its_manifests(
    cluster: Workload, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    settings, port = await settings_of("crd", plane), free_port()
    config = settings.workload_registrar
    assert isinstance(config, CRDMode)
    assert config.webhook is not None
    await _stand_in_for_the_service(cluster, port)
    async with cluster.setup.registrar(
        kubeconfig=settings.kubeconfig,
        workload_registrar=replace(
            config, webhook=replace(config.webhook, host="localhost", port=port)
        ),
        pods=settings.pods,
        **election_of(settings),
    ):
        await cluster.pod("web-1")
        await cluster.endpoints("web", address("web-1", "10.0.0.7"))
        await cluster.until_entry(DEFAULT, dns_names=["web-1", "web.default.svc"])
        await cluster.until_recorded(DEFAULT)

        async def is_refused() -> bool:
            bad = _spiffe_id("bad", {"namespace": "kube-system"})
            try:
                await cluster.client.apply(bad)
            except RuntimeError as error:
                return "write namespace: default" in str(error)
            await cluster.client.delete(SPIFFE_ID.path("default", "bad"))
            return False

        # Until the caBundle has reached the API server nobody is asked.
        await eventually(is_refused)
        await cluster.client.apply(_spiffe_id("one", {"namespace": "default"}))
        await cluster.until_entry("/one")
        with pytest.raises(RuntimeError, match="SpiffeID default/one asks for the same"):
            await cluster.client.apply(_spiffe_id("two", {"namespace": "default"}, path="one"))


async def test_reconcile_mode_works_with_its_manifests(
    cluster: Workload, plane: ControlPlane
) -> None:
    settings = await settings_of("reconcile", plane)
    config = settings.workload_registrar
    assert isinstance(config, ReconcileMode)
    async with cluster.setup.registrar(
        kubeconfig=settings.kubeconfig,
        workload_registrar=replace(config, dns_zone="cluster.local"),
        pods=settings.pods,
        **election_of(settings),
    ):
        await cluster.pod("web-1", annotations={"spiffe.io/federatesWith": "?"})
        await cluster.give_address("web-1", "10.0.0.7")
        await cluster.until_entry(DEFAULT, parent=f"/spire-k8s-registrar/test/node/{NODE}")
        record = await cluster.until_recorded(DEFAULT)
        assert [owner.kind for owner in record.metadata.owner_references] == ["Namespace"]
        await cluster.until_event("Pod", "web-1", "InvalidFederation")


async def test_webhook_mode_works_with_its_manifests(
    cluster: Workload, plane: ControlPlane, tmp_path: Path
) -> None:
    settings = await settings_of("webhook", plane)
    config = settings.workload_registrar
    assert isinstance(config, WebhookMode)
    write_material(tmp_path)
    async with cluster.setup.registrar(
        kubeconfig=settings.kubeconfig,
        workload_registrar=replace(
            config,
            host="127.0.0.1",
            port=0,
            certificate=tmp_path / "cert.pem",
            key=tmp_path / "key.pem",
            client_authority=tmp_path / "cacert.pem",
        ),
        pods=settings.pods,
    ):
        # Nobody is asked about this one: the sweep finds it.
        await cluster.pod("web-1")
        await cluster.until_entry(DEFAULT, parent="/k8s-workload-registrar/test/node")
        await cluster.until_recorded(DEFAULT)


def test_the_manifests_mount_what_generate_config_makes() -> None:
    service = Service("k8s-workload-registrar", "spire")
    made = make_material(service, algorithms=Algorithms(), now=datetime.now(UTC), ttl=None)
    file = CONFIG / "overlays/workload-registrar/webhook/spire_server.yaml"
    (server,) = load_yaml_documents(file.read_text(encoding="utf-8"))
    settings = load(CONFIG / "overlays/workload-registrar/webhook/k8s-workload-registrar.conf")
    config = settings.workload_registrar
    assert isinstance(config, WebhookMode)
    assert config.client_authority is not None
    files: set[str] = set()
    for document in (config_map(made, service), secret(made, service)):
        metadata, data = document["metadata"], document["data"]
        assert isinstance(metadata, dict)
        assert isinstance(data, dict)
        assert f"'name': '{metadata['name']}'" in str(server)
        assert metadata["namespace"] == "spire"
        files |= data.keys()
    assert {config.certificate.name, config.key.name, config.client_authority.name} == files


@pytest.mark.parametrize("mode", ["crd", "reconcile"])
async def test_the_rights_of_the_original_and_the_spireentry_kind_are_enough(
    cluster: Workload, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    await _give_rights(cluster, ORIGINAL_RULES)
    config = CRDMode() if mode == "crd" else ReconcileMode(dns_zone="cluster.local")
    async with cluster.setup.registrar(
        kubeconfig=await asyncio.to_thread(plane.kubeconfig_for, ORIGINAL),
        workload_registrar=config,
        pods=PodIdentity("template" if mode == "crd" else "service_account"),
    ):
        await cluster.pod("web-1")
        await cluster.give_address("web-1", "10.0.0.7")
        await cluster.client.apply(
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": "web", "namespace": "default"},
                "subsets": [
                    {
                        "addresses": [
                            {
                                "ip": "10.0.0.7",
                                "targetRef": {
                                    "kind": "Pod",
                                    "namespace": "default",
                                    "name": "web-1",
                                },
                            }
                        ],
                        "ports": [{"port": 80}],
                    }
                ],
            }
        )

        async def has_the_services_name() -> bool:
            entry = cluster.entry(DEFAULT)
            return entry is not None and "web.default.svc" in entry.dns_names

        await eventually(has_the_services_name)
        record = await cluster.until_recorded(DEFAULT)
        assert record.metadata.owner_references == ()
        await cluster.delete_pod("web-1")
        await cluster.until_gone(DEFAULT)


async def _give_rights(cluster: Workload, rules: list[JSONObject]) -> None:
    await cluster.client.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "original"},
            "rules": [*rules],
        }
    )
    await cluster.client.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "original"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "original",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "original", "namespace": "spire"}],
        }
    )


async def _stand_in_for_the_service(cluster: Workload, port: int) -> None:
    """Let the API server reach the registrar, which is here and not in a Pod."""
    await cluster.client.delete("/api/v1/namespaces/spire/services/k8s-workload-registrar")
    await cluster.client.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "k8s-workload-registrar", "namespace": "spire"},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"port": port}],
            },
        }
    )
    path = (
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        "/k8s-workload-registrar"
    )
    configuration = await cluster.client.get(path)
    webhooks = configuration["webhooks"]
    assert isinstance(webhooks, list)
    for webhook in webhooks:
        assert isinstance(webhook, dict)
        client = webhook["clientConfig"]
        assert isinstance(client, dict)
        assert isinstance(client["service"], dict)
        client["service"]["port"] = port
    await cluster.client.merge(path, {"webhooks": webhooks})


def _spiffe_id(name: str, selector: JSONObject, path: str = "") -> JSONObject:
    return {
        "apiVersion": SPIFFE_ID.api_version,
        "kind": SPIFFE_ID.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "spiffeId": f"spiffe://example.org/{path or name}",
            "parentId": "spiffe://example.org/spire/server",
            "selector": selector,
        },
    }
