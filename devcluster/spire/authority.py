"""A certificate authority of one trust domain: signs the X.509 SVIDs of tests and demos."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME_SECONDS = 86400
"""How long an authority lives."""


@dataclass(frozen=True, slots=True)
class SVID:
    """An X.509 SVID: the certificate and its key."""

    spiffe_id: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_der(self) -> bytes:
        """The private key, PKCS#8, DER."""
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS#8, PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """The authority of a trust domain; each has a key of its own."""

    def __init__(self, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self._key = ec.generate_private_key(ec.SECP256R1())
        # Its own serial number is part of an authority's name, so that no SVID has the same.
        serial = str(x509.random_serial_number())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIFFE"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
            ]
        )
        self.certificate = (
            _builder(name, name, self._key.public_key(), _end_of(LIFETIME_SECONDS))
            .add_extension(_names(f"spiffe://{trust_domain}"), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate_der(self) -> bytes:
        """The authority's certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        """The authority's certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self, spiffe_id: str, *, dns_names: Sequence[str] = (), ttl_seconds: float = 3600
    ) -> SVID:
        """A new SVID with a new key for any SPIFFE ID."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.sign(
            key.public_key(), spiffe_id, dns_names=dns_names, ttl_seconds=ttl_seconds
        )
        return SVID(spiffe_id, certificate, key)

    def sign(
        self,
        key: CertificatePublicKeyTypes,
        spiffe_id: str,
        *,
        dns_names: Sequence[str] = (),
        ttl_seconds: float = 3600,
    ) -> x509.Certificate:
        """The certificate of an SVID for somebody's key; it ends with the authority's own.

        As servers do, the first DNS name is the common name too.
        """
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIRE")]
        if dns_names:
            subject.append(x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0]))
        end = min(_end_of(ttl_seconds), self.certificate.not_valid_after_utc)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return (
            _builder(x509.Name(subject), self.certificate.subject, key, end)
            .add_extension(_names(spiffe_id, dns_names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(minutes=1))
        .not_valid_after(end)
    )


def _end_of(ttl_seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=ttl_seconds)


def _names(uri: str, dns_names: Sequence[str] = ()) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(uri), *(x509.DNSName(name) for name in dns_names)]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
