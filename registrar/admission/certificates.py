"""The serving certificate: minted by SPIRE, renewed before half of its life is over.

It stays in memory, its key too. Every replica has its own, whether it leads or
not: an API server calls any of them.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registrar.admission.lending import LendingContext, identify
from registrar.backoff import Backoff
from registrar.spire.errors import SpireError
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

TTL_SECONDS = 24 * 3600
_RENEW_AT = 0.4
"""The share of its life after which a certificate is replaced."""


class Minter(Protocol):
    """Gets certificates from SPIRE; ``registrar.spire.svids.Minter`` is one."""

    async def mint(self, csr_der: bytes, ttl_seconds: int) -> list[bytes]:
        """The chain for a request, DER, the leaf first. Raises SpireError."""
        ...

    async def bundle(self) -> list[bytes]:
        """The server's own X.509 authorities, DER. Raises SpireError."""
        ...


class ServingCertificate:
    """Keeps ``context`` with a certificate that is good.

    ``dns_names`` tells, whenever one is minted, the names that the API server
    calls us by; while there are none, nothing is minted.
    """

    def __init__(
        self,
        minter: Minter,
        *,
        spiffe_id: str,
        dns_names: Callable[[], Awaitable[Sequence[str]]],
        ttl_seconds: int = TTL_SECONDS,
    ) -> None:
        self._minter = minter
        self._spiffe_id = spiffe_id
        self._dns_names = dns_names
        self._ttl = ttl_seconds
        self._lending = LendingContext(ssl.PROTOCOL_TLS_SERVER)
        self._lending.latest = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ready = asyncio.Event()
        """Set once there is a certificate."""
        self.problem: str | None = "no certificate yet"
        """Why there is none, or no new one; None when all is well."""
        self.ends: datetime | None = None
        """When the one in use ends."""

    @property
    def context(self) -> ssl.SSLContext:
        """To serve with, on asyncio's event loop; the same object all the time."""
        return self._lending

    async def run(self) -> None:
        """Mint and renew until cancelled; a SPIRE server that is away is waited for."""
        backoff = Backoff(0.5, 30.0)
        while True:
            try:
                seconds = await self._renew()
            except SpireError as error:
                self._failed(error.message)
                await asyncio.sleep(backoff.next_seconds())
            except Exception as error:
                # Such as a full disk. Whatever it is, it must not end the process.
                log.exception("unexpected error, going on", extra=kv(part="certificate"))
                self._failed(f"{type(error).__name__}: {error}")
                await asyncio.sleep(backoff.next_seconds())
            else:
                backoff.reset()
                await asyncio.sleep(seconds)

    def _failed(self, why: str) -> None:
        problem = f"no certificate from SPIRE: {why}"
        # Said once; that there is a new certificate says that it is over.
        if problem != self.problem:
            log.warning("cannot renew the webhook's certificate", extra=kv(why=why))
        self.problem = problem

    async def _renew(self) -> float:
        """Mint one and use it; gives the seconds until the next. Raises SpireError."""
        names = list(await self._dns_names())
        key = ec.generate_private_key(ec.SECP256R1())
        minted = await self._minter.mint(_request(key, self._spiffe_id, names), self._ttl)
        chain = [x509.load_der_x509_certificate(der) for der in minted]
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._lending.latest = await asyncio.to_thread(_context, pem, chain)
        leaf = chain[0]
        life = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds()
        age = (datetime.now(UTC) - leaf.not_valid_before_utc).total_seconds()
        self.problem, self.ends = None, leaf.not_valid_after_utc
        self.ready.set()
        log.info(
            "the webhook has a new certificate",
            extra=kv(names=" ".join(names), until=leaf.not_valid_after_utc.isoformat()),
        )
        return max(1.0, life * _RENEW_AT - max(0.0, age))


def _request(key: ec.EllipticCurvePrivateKey, spiffe_id: str, names: Sequence[str]) -> bytes:
    """A certificate request, DER."""
    alternatives: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_id)]
    alternatives += [x509.DNSName(name) for name in names]
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _context(key: bytes, chain: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """A context of its own: in one that serves, a handshake could come between chain and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    identify(context, key, chain)
    return context
