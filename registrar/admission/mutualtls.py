"""Mutual TLS for a webhook whose certificates somebody else puts into files.

The files may change at any time: a Secret or ConfigMap that is mounted is
swapped under our feet, and the three files come from two of them, not at the
same moment. So their contents are compared, and what does not fit together is
left alone until it does.
"""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from registrar.admission.lending import LendingContext, identify
from registrar.errors import InvalidField
from registrar.identity.certificates import UnreadableError, read_pem_certificates
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
WARN_BEFORE = timedelta(days=7)
"""A server certificate with less life than this is warned of."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files contain; ``authority`` is None where clients are not asked who they are."""

    certificate: bytes
    key: bytes
    authority: bytes | None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A set of files that fits together, and the context made of it."""

    files: _Files
    context: ssl.SSLContext
    until: datetime


class MutualTLS:
    """Keeps ``context`` with what the files contain: the listening socket stays open meanwhile.

    Clients must show a certificate of an authority in ``ca_path``; with None
    they are not asked for one. Connections that are open stay open.
    """

    def __init__(
        self,
        cert_path: Path,
        key_path: Path,
        ca_path: Path | None,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._cert_path = cert_path
        self._key_path = key_path
        self._ca_path = ca_path
        self._poll_seconds = poll_seconds
        self._loaded: _Loaded | None = None
        self._warned = False
        lending = LendingContext(ssl.PROTOCOL_TLS_SERVER)
        lending.latest = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._lending = lending
        self.problem: str | None = "the certificates are not read yet"
        """Why there are none, or why newer ones are not used; None when all is well."""

    @classmethod
    async def load(
        cls,
        cert_path: Path,
        key_path: Path,
        ca_path: Path | None,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> Self:
        """One that has read its files. Raises InvalidField, by the keys of the configuration."""
        found = cls(cert_path, key_path, ca_path, poll_seconds=poll_seconds)
        await found.refresh()
        return found

    @property
    def context(self) -> ssl.SSLContext:
        """To serve with, on asyncio's event loop; the same object all the time."""
        return self._lending

    @property
    def ends(self) -> datetime | None:
        """When the certificate in use ends."""
        return None if self._loaded is None else self._loaded.until

    async def refresh(self) -> None:
        """Use what the files contain now. Raises InvalidField, and then keeps what it has."""
        before = self._loaded
        loaded = await asyncio.to_thread(self._read)
        if loaded is not before:
            self._loaded = loaded
            self._lending.latest = loaded.context
            self._warned = False
            log.info("certificates read", extra=kv(until=loaded.until.isoformat()))
        if self.problem and before is not None:
            log.info("the files of the certificates are right again")
        self.problem = None
        self._warn_in_time(loaded.until)

    async def run(self) -> None:
        """Use the files anew whenever they change, until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await attempt("the server's certificates", self._round)

    async def _round(self) -> None:
        try:
            await self.refresh()
        except InvalidField as error:
            self._say(str(error))

    def _say(self, problem: str) -> None:
        """Say once what is wrong."""
        if problem != self.problem:
            log.warning("the certificates cannot be read anew", extra=kv(why=problem))
        self.problem = problem

    def _warn_in_time(self, until: datetime) -> None:
        """Say once of each certificate that its end is near."""
        if self._warned or until - datetime.now(UTC) >= WARN_BEFORE:
            return
        self._warned = True
        log.warning(
            "the server certificate ends soon: put a new one into its place",
            extra=kv(file=str(self._cert_path), until=until.isoformat()),
        )

    def _read(self) -> _Loaded:
        """What the files say now; the same object while they say the same. Raises InvalidField."""
        ca_path = self._ca_path
        files = _Files(
            certificate=_content("cert_path", self._cert_path),
            key=_content("key_path", self._key_path),
            authority=None if ca_path is None else _content("cacert_path", ca_path),
        )
        if self._loaded is not None and self._loaded.files == files:
            return self._loaded
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        chain = _certificates("cert_path", self._cert_path, files.certificate)
        key = _fitting_key(self._key_path, files.key, chain[0])
        try:
            # Exactly what was compared: the files may be others by now.
            identify(context, key, chain)
        except ssl.SSLError as error:
            remedy = f"cannot be served with: {error}"
            raise InvalidField("cert_path", str(self._cert_path), remedy) from error
        if ca_path is not None and files.authority is not None:
            authorities = _certificates("cacert_path", ca_path, files.authority)
            try:
                _demand(context, authorities)
            except ssl.SSLError as error:
                remedy = f"clients cannot be verified with it: {error}"
                raise InvalidField("cacert_path", str(ca_path), remedy) from error
        return _Loaded(files, context, chain[0].not_valid_after_utc)


def _content(field: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidField(
            field, str(path), f"cannot be read: {error.strerror or error}"
        ) from error


def _certificates(field: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    """The certificates of a file, at least one. Raises InvalidField."""
    try:
        return read_pem_certificates(pem)
    except UnreadableError as error:
        raise InvalidField(
            field, str(path), "no certificates: it must contain them as PEM, whole"
        ) from error


def _fitting_key(path: Path, pem: bytes, certificate: x509.Certificate) -> bytes:
    """The private key of the certificate, PEM. Raises InvalidField."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise InvalidField(
            "key_path", str(path), "it has a passphrase: write the key without one"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidField(
            "key_path", str(path), "no private key: it must contain one as PEM, whole"
        ) from error
    info = PublicFormat.SubjectPublicKeyInfo
    try:
        belongs = certificate.public_key().public_bytes(
            Encoding.DER, info
        ) == key.public_key().public_bytes(Encoding.DER, info)
    except (ValueError, UnsupportedAlgorithm):
        belongs = False
    if not belongs:
        raise InvalidField(
            "key_path", str(path), "not the key of the certificate in cert_path: the two must match"
        )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _demand(context: ssl.SSLContext, authorities: list[x509.Certificate]) -> None:
    """Let the context serve only clients with a certificate of these authorities."""
    context.verify_mode = ssl.CERT_REQUIRED
    # What stands in the file is trusted, an intermediate authority without its root too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(
        cadata=b"".join(found.public_bytes(Encoding.DER) for found in authorities)
    )
