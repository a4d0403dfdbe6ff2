"""The webhook mode in tests: its certificates, and an API server's part of the conversation."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from api.codec import JSONObject, decode_object
from manager.process import Process
from registrar.admission.material import Algorithms, Material, Service, make_material
from registrar.settings.model import PodIdentity, WebhookMode
from tests.support.setup import until
from tests.support.workload import Workload

SERVICE = Service("k8s-workload-registrar", "spire")
ROOT = "/k8s-workload-registrar/test/node"


def write_material(folder: Path) -> Material:
    """Make certificates and put those of the server into a folder."""
    material = make_material(SERVICE, algorithms=Algorithms(), now=datetime.now(UTC), ttl=None)
    (folder / "cert.pem").write_text(material.server_certificate)
    (folder / "key.pem").write_text(material.server_key)
    (folder / "cacert.pem").write_text(material.authority)
    (folder / "client.pem").write_text(material.client_certificate + material.client_key)
    return material


class Asked(Workload):
    """A Setup in which a test asks what an API server would."""

    folder: Path
    process: Process

    @contextlib.asynccontextmanager
    async def mode(
        self, folder: Path, identity: PodIdentity | None = None, **changes: object
    ) -> AsyncIterator[Process]:
        """Run it until the block ends, as soon as it listens."""
        write_material(folder)
        async with self.setup.starting(
            workload_registrar=webhook_mode(folder),
            pods=identity or PodIdentity("service_account"),
            **changes,
        ) as process:
            self.folder, self.process = folder, process
            await until(lambda: process.webhooks is not None and bool(process.webhooks.port))
            yield process

    async def ready(self) -> None:
        """Wait until the first pass is over."""
        await until(lambda: self.process.first_pass_is_over)

    async def ask(self, body: JSONObject, path: str = "/validate") -> JSONObject:
        """Send a question with the client's certificate; gives the answer."""
        return await ask(self.process, self.folder, body, path)


def webhook_mode(folder: Path) -> WebhookMode:
    """The mode with the certificates of a folder, on some port."""
    return WebhookMode(
        host="127.0.0.1",
        port=0,
        certificate=folder / "cert.pem",
        key=folder / "key.pem",
        client_authority=folder / "cacert.pem",
    )


async def ask(
    process: Process, folder: Path, body: JSONObject, path: str = "/validate"
) -> JSONObject:
    """Ask a registrar as an API server does, with the client's certificate of a folder."""
    assert process.webhooks is not None
    tls = ssl.create_default_context(cafile=str(folder / "cacert.pem"))
    tls.load_cert_chain(folder / "client.pem")
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"https://127.0.0.1:{process.webhooks.port}{path}",
            json=body,
            ssl=tls,
            server_hostname=SERVICE.host,
            timeout=aiohttp.ClientTimeout(10.0),
        ) as reply,
    ):
        assert reply.status == 200, await reply.text()
        return decode_object(await reply.read())


def review(
    operation: str,
    name: str,
    *,
    namespace: str = "default",
    uid: str = "uid-1",
    version: str = "v1",
    metadata: JSONObject | None = None,
    **request: object,
) -> JSONObject:
    """The question about a Pod."""
    pod: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": uid, **(metadata or {})},
        "spec": {"serviceAccountName": "default", "containers": []},
    }
    document: JSONObject = {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "request": {
            "uid": "question",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": operation,
            "namespace": namespace,
            "name": name,
            "object": None if operation == "DELETE" else pod,
            "oldObject": pod if operation == "DELETE" else None,
            **request,  # type: ignore[dict-item]
        },
    }
    return document
