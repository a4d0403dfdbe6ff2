"""Keys, certificates and kubeconfigs of a control plane that lives for one test run."""

import dataclasses
import datetime as dt
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=30)
"""Longer than any run; a control plane left running by hand stops working then."""

_CERTIFICATES_ONLY = x509.KeyUsage(
    key_cert_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclasses.dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate, each in PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """A certificate authority in memory: signs the server's certificate and those of clients."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test control plane")])
        self._certificate = (
            _dated(x509.CertificateBuilder())
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            # Python 3.13 verifies strictly (RFC 5280, sections 4.2.1.1 to 4.2.1.3).
            .add_extension(_CERTIFICATES_ONLY, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, in PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def for_server(
        self, name: str, names: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> KeyPair:
        """Issue the certificate of a server on loopback, which has these names there besides."""
        alternatives = x509.SubjectAlternativeName(
            [
                *(x509.DNSName(each) for each in ("localhost", *names)),
                *(x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", *addresses)),
            ]
        )
        return self._issue(name, (), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def for_user(self, user: str, groups: Sequence[str]) -> KeyPair:
        """Issue a client certificate: Kubernetes takes the user from CN, the groups from O."""
        return self._issue(user, groups, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        common_name: str,
        organizations: Sequence[str],
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        builder = (
            _dated(x509.CertificateBuilder())
            .subject_name(x509.Name(subject))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(_pem(key), certificate.public_bytes(serialization.Encoding.PEM))


def signing_key() -> bytes:
    """Return a fresh private key for service account tokens, in PEM."""
    # The API server takes the public key out of this one too, but not out of a PKCS #8 file.
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def write_kubeconfig(path: Path, url: str, ca_file: Path, user: dict[str, str]) -> None:
    """Write a kubeconfig with one cluster and one user; its format, YAML, includes JSON."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "test", "cluster": {"server": url, "certificate-authority": str(ca_file)}}
        ],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    write_secret(path, json.dumps(document, indent=2).encode())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def _dated(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    # An hour back: clocks that differ a little must not make it "not yet valid".
    return builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + LIFETIME)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
