"""The provider's certificate rotates while the provider runs on."""

import asyncio
import ssl
from datetime import UTC, datetime

from cryptography import x509

from topology.checks.check import Check, Untrue
from topology.checks.health import Health
from topology.checks.oidc import Provider

_SOON_SECONDS = 300.0
_SPARE_SECONDS = 60.0
"""Nobody waits for the renewal of a certificate that lives longer."""


class CertificateRotation:
    """The certificate that a provider shows."""

    def __init__(self, provider: Provider, health: Health) -> None:
        self._provider = provider
        self._health = health
        self._first: int | None = None

    def checks(self) -> list[Check]:
        """It is renewed at half of its life; of one that lives long only that it is good."""
        return [
            Check(
                "its certificate is its SVID, and is renewed without a restart if it lives short",
                self._renewed,
                _SOON_SECONDS + _SPARE_SECONDS,
            )
        ]

    async def _renewed(self) -> None:
        shown = await self._shown()
        if self._first is None:
            self._first = shown.serial_number
        life = shown.not_valid_after_utc - shown.not_valid_before_utc
        if life.total_seconds() > _SOON_SECONDS:
            return
        if shown.serial_number == self._first:
            left = (shown.not_valid_after_utc - datetime.now(UTC)).total_seconds()
            raise Untrue(f"it is still the same one, for {left:.0f} s")
        await self._health.no_restart().look()

    async def _shown(self) -> x509.Certificate:
        """The certificate, which the TLS library has verified. Raises Untrue."""
        context = await self._provider.trust()
        try:
            async with asyncio.timeout(10):
                _, writer = await asyncio.open_connection(self._provider.host, 443, ssl=context)
        except (OSError, TimeoutError) as error:
            raise Untrue(f"{self._provider.url}: {str(error) or type(error).__name__}") from error
        shown = writer.get_extra_info("ssl_object")
        der = shown.getpeercert(binary_form=True) if isinstance(shown, ssl.SSLObject) else None
        writer.close()
        if not der:
            raise Untrue(f"{self._provider.url} shows no certificate")
        return x509.load_der_x509_certificate(der)
