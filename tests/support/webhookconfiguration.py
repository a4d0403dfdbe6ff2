"""A ValidatingWebhookConfiguration by which nobody is asked, for who keeps its caBundle right."""

from api.kinds import VALIDATING_WEBHOOK_CONFIGURATION
from devcluster.client import Client
from tests.support.setup import eventually


async def webhook_configuration(client: Client, name: str) -> None:
    """Have a configuration of that name, by which nobody is asked."""
    await client.apply(
        {
            "apiVersion": VALIDATING_WEBHOOK_CONFIGURATION.api_version,
            "kind": VALIDATING_WEBHOOK_CONFIGURATION.kind,
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": f"{name}.spire.svc",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "clientConfig": {"service": {"name": name, "namespace": "spire"}},
                }
            ],
        }
    )


async def until_trusted(client: Client, name: str) -> None:
    """Wait until the configuration of that name has a caBundle."""

    async def has_bundle() -> bool:
        path = VALIDATING_WEBHOOK_CONFIGURATION.path("", name)
        return "caBundle" in str(await client.get(path))

    await eventually(has_bundle)
