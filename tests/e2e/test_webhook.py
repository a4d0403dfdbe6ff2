"""The real API server asks our webhook, through a real ValidatingWebhookConfiguration."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFEID
from api.meta import ObjectKey
from hack.control_plane import ControlPlane
from hack.processes import free_port
from registrar.settings.model import Webhooks
from tests.support.controllermanager import Manager
from tests.support.setup import eventually, real_setup

pytestmark = pytest.mark.real
NAME = "spire-controller-manager-webhook"
PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def configuration(port: int, ca_bundle: str = "") -> JSONObject:
    kinds = {
        "clusterspiffeid": "clusterspiffeids",
        "clusterstaticentry": "clusterstaticentries",
        "clusterfederatedtrustdomain": "clusterfederatedtrustdomains",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": f"v{kind}.kb.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
                "clientConfig": {
                    "url": f"https://localhost:{port}/validate-spire-spiffe-io-v1alpha1-{kind}",
                    **({"caBundle": ca_bundle} if ca_bundle else {}),
                },
                "rules": [
                    {
                        "apiGroups": ["spire.spiffe.io"],
                        "apiVersions": ["v1alpha1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": [plural],
                    }
                ],
            }
            for kind, plural in kinds.items()
        ],
    }


@pytest.fixture
async def manager(tmp_path: Path, real_control_plane: ControlPlane) -> AsyncIterator[Manager]:
    async with real_setup(tmp_path, real_control_plane) as setup:
        try:
            yield Manager(setup)
        finally:
            await setup.client.delete(f"{PATH}/{NAME}")


async def test_the_api_server_refuses_what_the_webhook_refuses(manager: Manager) -> None:
    port = free_port()
    await manager.client.create(PATH, configuration(port))
    async with manager.running(webhooks=Webhooks(NAME, "localhost", port)):

        async def is_asked() -> bool:
            # The API server takes everything before it has heard of the webhook, and nothing
            # before that answers.
            try:
                await manager.template("bad", spiffeIDTemplate="/x/{{ .PodMeta.Name")
            except RuntimeError as error:
                return "failed calling webhook" not in str(error)
            await manager.delete(CLUSTER_SPIFFEID, "bad")
            return False

        await eventually(is_asked)
        await manager.template("good")
        with pytest.raises(RuntimeError) as refused:
            await manager.template("bad", spiffeIDTemplate="/x/{{ .PodMeta.Name")
        assert "spec.spiffeIDTemplate" in str(refused.value)
        assert "/x/{{ .PodMeta.Name" in str(refused.value)
        assert "unclosed action" in str(refused.value)
        with pytest.raises(RuntimeError, match=r"spec\.x509SVIDTTL"):
            await manager.static_entry("bad", x509SVIDTTL="-1s")
        await manager.static_entry("good")
        with pytest.raises(RuntimeError, match="own trust domain"):
            await manager.trust_domain(
                "bad",
                trustDomain="example.org",
                bundleEndpointURL="https://x.test/",
                bundleEndpointProfile={"type": "https_web"},
            )


async def test_what_was_wrong_before_keeps_neither_its_labels_nor_its_finalizers(
    manager: Manager,
) -> None:
    await manager.template("bad", spiffeIDTemplate="/x/{{ .PodMeta.Name")
    path = CLUSTER_SPIFFEID.object_path(ObjectKey("", "bad"))
    await manager.client.merge(path, {"metadata": {"finalizers": ["example.org/held"]}})
    port = free_port()
    await manager.client.create(PATH, configuration(port))
    async with manager.running(webhooks=Webhooks(NAME, "localhost", port)):
        numbers = iter(range(10_000))

        async def is_refused() -> bool:
            # See above.
            spec: JSONObject = {"spiffeIDTemplate": f"/{next(numbers)}/{{{{ .PodMeta.Name"}
            try:
                await manager.client.merge(path, {"spec": spec})
            except RuntimeError as error:
                return "unclosed action" in str(error)
            return False

        await eventually(is_refused)
        await manager.client.merge(path, {"metadata": {"labels": {"a": "b"}}})
        await manager.client.delete(path)
        await manager.client.merge(path, {"metadata": {"finalizers": None}})
        with pytest.raises(RuntimeError, match="not found"):
            await manager.client.get(path)


async def test_a_stale_ca_bundle_is_put_right_at_a_cold_start_and_when_it_is_changed(
    manager: Manager,
) -> None:
    port = free_port()
    await manager.client.create(PATH, configuration(port))

    async def bundles() -> list[str]:
        found = await manager.client.get(f"{PATH}/{NAME}")
        webhooks = found["webhooks"]
        assert isinstance(webhooks, list)
        configs = [hook.get("clientConfig") for hook in webhooks if isinstance(hook, dict)]
        return [str(c.get("caBundle", "")) for c in configs if isinstance(c, dict)]

    wanted = base64.b64encode(manager.spire.authority.certificate_pem).decode()
    async with manager.running(webhooks=Webhooks(NAME, "localhost", port)):

        async def are_right() -> bool:
            return await bundles() == [wanted] * 3

        await eventually(are_right)
        await manager.client.delete(f"{PATH}/{NAME}")
        await manager.client.create(PATH, configuration(port))
        await eventually(are_right)
