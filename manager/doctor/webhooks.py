"""The validating webhook: that the API server calls it, trusts it, and that it serves."""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.core import ValidatingWebhook
from api.kinds import VALIDATING_WEBHOOK_CONFIGURATION
from api.meta import ObjectKey
from manager.doctor.finding import Finding, error, ok, some, warning
from manager.doctor.world import World
from manager.rights import webhook_configuration_of
from registrar.kube.errors import NotFound
from registrar.settings.model import ControllerManager, WebhookMode, Webhooks

CONFIGURATION, CERTIFICATE = "webhook-configuration", "webhook-certificate"
_CONNECT_SECONDS = 3.0
_SOON = timedelta(days=7)


async def configuration(world: World) -> list[Finding]:
    """Whether the API server calls the webhook, and trusts whoever signs its certificate."""
    name = webhook_configuration_of(world.settings)
    if not name:
        return await _left_behind(world)
    key = ObjectKey("", name)
    try:
        found = await (await world.kube()).get(VALIDATING_WEBHOOK_CONFIGURATION, key)
    except NotFound:
        return [
            error(
                CONFIGURATION,
                f"the ValidatingWebhookConfiguration {name} is missing",
                meaning="the API server calls no webhook, so wrong objects are stored, and say "
                "what is wrong in their status only; the webhook has no certificate either",
                remedy="apply it, or turn webhooks off (ENABLE_WEBHOOKS=false, webhook_enabled)",
                runbook="not-ready",
            )
        ]
    await world.spire()
    wanted = set((await world.bundles().own()).x509_authorities)
    webhooks = found.webhooks or ()
    wrong = [each.name for each in webhooks if not wanted <= _authorities(each)]
    if not webhooks:
        return [_nothing(name)]
    if wrong:
        return [
            error(
                CONFIGURATION,
                f"{name}: the caBundle of {some(wrong)} lacks an authority of the SPIRE server",
                meaning="the API server cannot call the webhook, and refuses every change of these "
                "objects where failurePolicy is Fail",
                remedy="a registrar that runs puts it right within seconds: does one run, and may "
                "it patch that configuration?",
                runbook="not-ready",
            )
        ]
    return [ok(CONFIGURATION, f"{name}: the API server trusts the SPIRE server's authorities")]


def _nothing(name: str) -> Finding:
    return warning(
        CONFIGURATION,
        f"the ValidatingWebhookConfiguration {name} names no webhook",
        meaning="the API server calls nobody, so wrong objects are stored",
        remedy="apply it as the manifests have it",
    )


async def _left_behind(world: World) -> list[Finding]:
    """Where webhooks are off, a configuration that is there makes every write fail."""
    manager = world.settings.controller_manager
    if not isinstance(manager, ControllerManager):
        return [ok(CONFIGURATION, "this configuration has no webhook of objects")]
    name = Webhooks().configuration_name
    try:
        await (await world.kube()).get(VALIDATING_WEBHOOK_CONFIGURATION, ObjectKey("", name))
    except NotFound:
        return [ok(CONFIGURATION, "webhooks are off, and the API server calls none")]
    return [
        error(
            CONFIGURATION,
            f"webhooks are off, and the ValidatingWebhookConfiguration {name} is there",
            meaning="the API server calls a webhook that nobody serves, and refuses every change "
            "of these objects where failurePolicy is Fail",
            remedy=f"kubectl delete validatingwebhookconfiguration {name}, or turn webhooks on",
        )
    ]


def _authorities(webhook: ValidatingWebhook) -> set[bytes]:
    try:
        pem = base64.b64decode(webhook.client_config.ca_bundle)
        return {
            certificate.public_bytes(Encoding.DER)
            for certificate in x509.load_pem_x509_certificates(pem)
        }
    except (ValueError, binascii.Error):
        return set()


async def certificate(world: World) -> list[Finding]:
    """The certificate that is shown, or that lies in the files of webhook mode."""
    workload = world.settings.workload_registrar
    if isinstance(workload, WebhookMode):
        pem = await asyncio.to_thread(workload.certificate.read_bytes)
        return [_judged(x509.load_pem_x509_certificate(pem), str(workload.certificate))]
    name = webhook_configuration_of(world.settings)
    if not name:
        return [ok(CERTIFICATE, "this configuration has no webhook of objects")]
    found = await (await world.kube()).get(VALIDATING_WEBHOOK_CONFIGURATION, ObjectKey("", name))
    addresses = _addresses(found.webhooks or ())
    problems = []
    for host, port in addresses:
        try:
            der = await _shown(host, port)
        except OSError as problem:
            problems.append(f"{host}:{port}: {problem}")
            continue
        return [_judged(x509.load_der_x509_certificate(der), f"{host}:{port}")]
    return [
        warning(
            CERTIFICATE,
            f"the webhook is not reached from here: {some(problems) or 'it has no address'}",
            meaning="outside of the cluster's network that says nothing; inside, the API server "
            "does not reach it either",
            remedy="run this in the cluster, or look at the check 'webhook' of /readyz?verbose",
            runbook="not-ready",
        )
    ]


def _addresses(webhooks: Iterable[ValidatingWebhook]) -> list[tuple[str, int]]:
    found: dict[tuple[str, int], None] = {}
    for webhook in webhooks:
        service, url = webhook.client_config.service, webhook.client_config.url
        if service is not None:
            found[f"{service.name}.{service.namespace}.svc", service.port or 443] = None
        elif url:
            parts = urlsplit(url)
            if parts.hostname:
                found[parts.hostname, parts.port or 443] = None
    return list(found)


async def _shown(host: str, port: int) -> bytes:
    """The certificate that a server shows, whoever signed it. Raises OSError."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        tls = writer.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
    finally:
        writer.close()
    if not isinstance(der, bytes):
        raise OSError("it shows no certificate")
    return der


def _judged(found: x509.Certificate, where: str) -> Finding:
    until, now = found.not_valid_after_utc, datetime.now(UTC)
    words = f"the webhook's certificate ({where}) is valid until {until:%F %T} UTC"
    if until <= now:
        return error(
            CERTIFICATE,
            f"the webhook's certificate ({where}) ended {until:%F %T} UTC",
            meaning="the API server does not call the webhook any more",
            remedy="SPIRE mints it, so look at the registrar's log; in webhook mode make the files "
            "anew: spire-registrar generate-config",
            runbook="not-ready",
        )
    lasting = until - found.not_valid_before_utc
    if until - now < min(_SOON, lasting / 4):
        return warning(
            CERTIFICATE,
            words,
            meaning="it should have been replaced by now",
            remedy="SPIRE mints it, so look at the registrar's log; in webhook mode make the files "
            "anew: spire-registrar generate-config",
        )
    return ok(CERTIFICATE, words)
