"""Who the API server trusts: the ``caBundle`` of a ValidatingWebhookConfiguration.

It is looked at every few seconds, so that a new authority of SPIRE, and a
configuration that somebody applies anew, are both put right. Every replica
may do it: all write the same.
"""

import asyncio
import base64
import logging
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.codec import JSONObject, decode, encode
from api.core import ValidatingWebhookConfiguration
from api.kinds import VALIDATING_WEBHOOK_CONFIGURATION
from registrar.admission.certificates import Minter
from registrar.kube.errors import KubeError, NotFound
from registrar.kube.session import Request, Session
from registrar.spire.errors import SpireError
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
_JSON_PATCH = "application/json-patch+json"


class TrustKeeper:
    """Keeps the ``caBundle`` of each webhook of one configuration."""

    def __init__(self, session: Session, minter: Minter, *, name: str) -> None:
        self._session = session
        self._minter = minter
        self._path = VALIDATING_WEBHOOK_CONFIGURATION.path("", name)
        self._name = name
        self._said = ""

    async def dns_names(self) -> list[str]:
        """The names that the API server calls the webhooks by; none while it cannot be asked."""
        try:
            configuration = await self._read()
        except KubeError as error:
            self._say_kube(error)
            return []
        names: dict[str, None] = {}
        for webhook in configuration.webhooks or ():
            service, url = webhook.client_config.service, webhook.client_config.url
            if service is not None:
                for suffix in ("", ".cluster.local"):
                    names[f"{service.name}.{service.namespace}.svc{suffix}"] = None
            elif url and (host := urlsplit(url).hostname):
                names[host] = None
        return list(names)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await attempt("caBundle", self._round)
            await asyncio.sleep(LOOK_SECONDS)

    async def _round(self) -> None:
        try:
            await self.look()
        except KubeError as error:
            self._say_kube(error)
        except SpireError as error:
            self._say(f"SPIRE's bundle cannot be read: {error.message}")
        else:
            self._over()

    async def look(self) -> None:
        """Put the bundle right. Raises KubeError or SpireError."""
        wanted = _pem(await self._minter.bundle())
        configuration = await self._read()
        patch: list[JSONObject] = []
        for number, webhook in enumerate(configuration.webhooks or ()):
            if webhook.client_config.ca_bundle == wanted:
                continue
            patch += [
                # Somebody may have put the webhooks into another order meanwhile.
                {"op": "test", "path": f"/webhooks/{number}/name", "value": webhook.name},
                {
                    "op": "add",
                    "path": f"/webhooks/{number}/clientConfig/caBundle",
                    "value": wanted,
                },
            ]
        if patch:
            await self._session.call(
                Request("PATCH", self._path, body=encode(patch), content_type=_JSON_PATCH)
            )
            log.info("caBundle written", extra=kv(configuration=self._name))

    async def _read(self) -> ValidatingWebhookConfiguration:
        reply = await self._session.call(Request("GET", self._path))
        return decode(reply, ValidatingWebhookConfiguration)

    def _say_kube(self, error: KubeError) -> None:
        missing = "it is missing: apply it, or set ENABLE_WEBHOOKS=false"
        self._say(missing if isinstance(error, NotFound) else str(error))

    def _say(self, why: str) -> None:
        """Say once what is wrong."""
        if why == self._said:
            return
        self._said = why
        log.warning(
            "the ValidatingWebhookConfiguration cannot be kept right",
            extra=kv(name=self._name, why=why),
        )

    def _over(self) -> None:
        """Say that what was wrong is over, if anything was."""
        if self._said:
            log.info("the ValidatingWebhookConfiguration is right again", extra=kv(name=self._name))
        self._said = ""


def _pem(authorities: list[bytes]) -> str:
    """Certificates as ``caBundle`` has them: PEM, and base64 around it."""
    pem = b"".join(
        x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in authorities
    )
    return base64.b64encode(pem).decode()
