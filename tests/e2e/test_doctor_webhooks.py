"""What `doctor` finds of the validating webhook: see test_doctor.py."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from api.codec import JSONObject
from api.kinds import VALIDATING_WEBHOOK_CONFIGURATION
from manager.doctor import webhooks
from manager.doctor.finding import Level
from registrar.settings.model import Webhooks
from tests.support.installation import Installation, at_work, installation
from tests.support.podwebhook import webhook_mode, write_material
from tests.support.selfsigned import self_signed
from tests.support.setup import embedded_setup
from tests.support.webhookconfiguration import until_trusted, webhook_configuration

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
NAME = Webhooks().configuration_name
PATH = VALIDATING_WEBHOOK_CONFIGURATION.path("", NAME)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Installation]:
    """Webhooks are on."""
    async with embedded_setup(tmp_path) as setup, installation(setup, tmp_path) as made:
        manager = made.settings.controller_manager
        assert manager is not None
        on = replace(manager, webhooks=Webhooks())
        made.settings = replace(made.settings, controller_manager=on)
        yield made


async def configured(made: Installation, url: str, bundle: bytes = b"") -> None:
    """A configuration of one webhook at a URL, which nobody's objects are sent to."""
    config: JSONObject = {"url": url}
    if bundle:
        config["caBundle"] = base64.b64encode(bundle).decode()
    await made.setup.client.apply(
        {
            "apiVersion": VALIDATING_WEBHOOK_CONFIGURATION.api_version,
            "kind": VALIDATING_WEBHOOK_CONFIGURATION.kind,
            "metadata": {"name": NAME},
            "webhooks": [
                {
                    "name": "x.spire.svc",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "clientConfig": config,
                }
            ],
        }
    )


async def test_a_webhook_that_serves_and_is_trusted(bare: Installation) -> None:
    await configured(bare, "https://127.0.0.1:1/x")
    async with at_work(bare, webhooks=Webhooks(host="127.0.0.1", port=0)) as manager:
        await until_trusted(manager.client, NAME)
        await bare.of(webhooks.CONFIGURATION, OK, "trusts the SPIRE server's authorities")
        await bare.of(webhooks.CERTIFICATE, WARNING, "is not reached from here: 127.0.0.1:1")
        assert bare.process is not None
        assert bare.process.webhooks is not None
        port = bare.process.webhooks.port
        await bare.setup.client.merge(
            PATH,
            {
                "webhooks": [
                    {
                        "name": "x.spire.svc",
                        "admissionReviewVersions": ["v1"],
                        "sideEffects": "None",
                        "clientConfig": {"url": f"https://127.0.0.1:{port}/x"},
                    }
                ]
            },
        )
        await bare.of(webhooks.CERTIFICATE, OK, f"certificate (127.0.0.1:{port}) is valid until")
        assert bare.front.writes == []


async def test_a_configuration_that_is_missing(bare: Installation) -> None:
    await bare.of(webhooks.CONFIGURATION, ERROR, f"{NAME} is missing")


async def test_a_configuration_that_trusts_somebody_else(bare: Installation) -> None:
    other = self_signed(since_hours=1, for_hours=24).public_bytes(Encoding.PEM)
    await configured(bare, "https://127.0.0.1:1/x", other)
    await bare.of(webhooks.CONFIGURATION, ERROR, "the caBundle of x.spire.svc lacks an authority")


async def test_a_configuration_without_webhooks(bare: Installation) -> None:
    await webhook_configuration(bare.setup.client, NAME)
    await bare.setup.client.merge(PATH, {"webhooks": []})
    await bare.of(webhooks.CONFIGURATION, WARNING, "names no webhook")


async def test_a_configuration_that_is_left_though_webhooks_are_off(bare: Installation) -> None:
    manager = bare.settings.controller_manager
    assert manager is not None
    off = replace(manager, webhooks=None)
    await bare.of(webhooks.CONFIGURATION, OK, "webhooks are off", controller_manager=off)
    await webhook_configuration(bare.setup.client, NAME)
    await bare.of(webhooks.CONFIGURATION, ERROR, "webhooks are off, and", controller_manager=off)


@pytest.mark.parametrize(
    ("since", "lasts", "level"), [(25, 24, ERROR), (23, 24, WARNING), (1, 24, OK)]
)
async def test_the_certificate_in_the_files_of_webhook_mode(
    bare: Installation, tmp_path: Path, since: float, lasts: float, level: Level
) -> None:
    write_material(tmp_path)
    certificate = self_signed(since_hours=since, for_hours=lasts)
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    mode = webhook_mode(tmp_path)
    found = await bare.of(
        webhooks.CERTIFICATE,
        level,
        "webhook's certificate",
        controller_manager=None,
        workload_registrar=mode,
        leader_election=None,
    )
    assert "cert.pem" in found.summary


async def test_a_certificate_that_cannot_be_read(bare: Installation, tmp_path: Path) -> None:
    await bare.of(
        webhooks.CERTIFICATE,
        WARNING,
        "cannot be looked at",
        controller_manager=None,
        workload_registrar=webhook_mode(tmp_path),
        leader_election=None,
    )
