"""Webhook mode, called by the real API server with the client certificate that we generated.

The registrar has no rights at all, as the original's: what it knows of Pods it
heard from the API server.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from api.codec import JSONObject
from api.documents import dump_yaml
from hack.control_plane import ControlPlane
from hack.processes import free_port
from registrar.admission.material import (
    Algorithms,
    Material,
    Service,
    admission_configuration,
    kubeconfig,
    make_material,
    webhook_configuration,
)
from registrar.settings.model import PodIdentity, WebhookMode
from tests.support.setup import eventually, real_setup, until
from tests.support.workload import Workload

pytestmark = [pytest.mark.real, pytest.mark.slow]

SERVICE = Service("k8s-workload-registrar", "spire")
ROOT = "/k8s-workload-registrar/test/node"
PORT = free_port()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webhook-mode")


@pytest.fixture(scope="module")
def material(folder: Path) -> Material:
    """What generate-config makes, the server's part as files."""
    made = make_material(SERVICE, algorithms=Algorithms(), now=datetime.now(UTC), ttl=None)
    (folder / "cert.pem").write_text(made.server_certificate)
    (folder / "key.pem").write_text(made.server_key)
    (folder / "cacert.pem").write_text(made.authority)
    return made


@pytest.fixture(scope="module")
def plane(folder: Path, material: Material) -> Iterator[ControlPlane]:
    """An API server that was told whom to be towards the webhook."""
    config = kubeconfig(material, SERVICE)
    users = config["users"]
    assert isinstance(users, list)
    assert isinstance(users[0], dict)
    # In a cluster the Service's port is 443, which needs not be named.
    users[0]["name"] = f"{SERVICE.host}:{PORT}"
    (folder / "client.kubeconfig").write_text(dump_yaml(config))
    admission = admission_configuration(str(folder / "client.kubeconfig"))
    (folder / "admission.yaml").write_text(dump_yaml(admission))
    arguments = [f"--admission-control-config-file={folder / 'admission.yaml'}"]
    with ControlPlane((), folder / "plane", api_server_arguments=arguments) as made:
        made.run_kubectl("create", "namespace", SERVICE.namespace)
        yield made


@pytest.fixture(
    params=["embedded-spire", pytest.param("real-spire", marks=pytest.mark.real("spire"))]
)
async def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, plane: ControlPlane
) -> AsyncIterator[Workload]:
    spire = None
    if request.param == "real-spire":
        spire = request.getfixturevalue("real_spire_server")
    async with real_setup(tmp_path, plane, spire) as setup:
        yield Workload(setup)


async def configure(cluster: Workload, material: Material) -> None:
    """Let the API server call the Service, which stands for this machine."""
    await cluster.client.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE.name, "namespace": SERVICE.namespace},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"port": PORT}],
            },
        }
    )
    document = webhook_configuration(material, SERVICE)
    webhooks = document["webhooks"]
    assert isinstance(webhooks, list)
    for webhook in webhooks:
        assert isinstance(webhook, dict)
        client = webhook["clientConfig"]
        assert isinstance(client, dict)
        assert isinstance(client["service"], dict)
        client["service"]["port"] = PORT
    await cluster.client.apply(document)


def config(folder: Path) -> WebhookMode:
    return WebhookMode(
        host="localhost",
        port=PORT,
        certificate=folder / "cert.pem",
        key=folder / "key.pem",
        client_authority=folder / "cacert.pem",
    )


async def test_the_api_server_tells_of_pods_and_never_waits(
    cluster: Workload, plane: ControlPlane, folder: Path, material: Material
) -> None:
    nobody = await asyncio.to_thread(plane.kubeconfig_for, "nobody")
    await configure(cluster, material)
    async with cluster.setup.registrar(
        workload_registrar=config(folder),
        pods=PodIdentity("label", "spiffe"),
        kubeconfig=nobody,
    ) as process:
        await until(lambda: process.webhooks is not None and process.webhooks.port == PORT)
        # A configuration takes a moment to reach the admission plugin.
        numbers = iter(range(1000))

        async def is_heard() -> bool:
            number = next(numbers)
            await cluster.pod(f"try-{number}", node="", labels={"spiffe": f"try-{number}"})
            return any(e.spiffe_id.path.startswith("/try-") for e in cluster.setup.entries())

        await eventually(is_heard)
        await cluster.pod("web-0", node="", labels={"spiffe": "web"})
        await cluster.until_entry(
            "/web", parent=ROOT, selectors=["k8s:ns:default", "k8s:pod-name:web-0"]
        )
        created = await cluster.client.create(
            "/api/v1/namespaces/default/pods", _generated("job-", "job")
        )
        metadata = created["metadata"]
        assert isinstance(metadata, dict)
        await cluster.until_entry(
            "/job", selectors=["k8s:ns:default", f"k8s:pod-name:{metadata['name']}"]
        )
        await cluster.delete_pod("web-0")
        await cluster.until_gone("/web")
    # Nobody answers now: Pods are made all the same.
    await cluster.pod("late", node="", labels={"spiffe": "late"})


async def test_only_the_api_server_is_let_in(
    cluster: Workload, folder: Path, material: Material
) -> None:
    async with cluster.setup.registrar(
        workload_registrar=config(folder), pods=PodIdentity("label", "spiffe")
    ) as process:
        await until(lambda: process.webhooks is not None and process.webhooks.port == PORT)
        tls = ssl.create_default_context(cadata=material.authority)
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.post(
                    f"https://localhost:{PORT}/validate",
                    json={},
                    ssl=tls,
                    server_hostname=SERVICE.host,
                )


def _generated(prefix: str, identity: str) -> JSONObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": prefix, "labels": {"spiffe": identity}},
        "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
    }
