"""The upstream authority of a root server: a self-signed certificate, and the Secret with it."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from api.core import Secret
from api.meta import ObjectKey, ObjectMeta
from topology.labels import PART_OF, PART_OF_KEY


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str


def make_authority(trust_domain: str, *, now: datetime, life: timedelta) -> Authority:
    """Make a new one that SPIRE's "disk" plugin takes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIFFE"),
            # A common name has at most 64 characters; a trust domain may have 255.
            x509.NameAttribute(NameOID.COMMON_NAME, f"upstream-authority.{trust_domain}"[:64]),
        ]
    )
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # A minute back: clocks that differ a little must not make it "not yet valid".
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_CERTIFICATES_ONLY, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Authority(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def secret_of(authority: Authority, key: ObjectKey) -> Secret:
    """The Secret that a root server mounts."""
    labels = {
        "app.kubernetes.io/managed-by": "spire-registrar",
        PART_OF_KEY: PART_OF,
    }
    return Secret(
        metadata=ObjectMeta(name=key.name, namespace=key.namespace, labels=labels),
        type="kubernetes.io/tls",
        data={"tls.crt": _base64(authority.certificate), "tls.key": _base64(authority.key)},
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_CERTIFICATES_ONLY = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
