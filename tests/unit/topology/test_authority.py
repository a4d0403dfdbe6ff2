"""The upstream authority as SPIRE's "disk" plugin wants it."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from api.meta import ObjectKey
from topology.authority import make_authority, secret_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_it_is_a_ca_of_the_trust_domain_that_signed_itself() -> None:
    made = make_authority("example.org", now=NOW, life=timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=1)
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, None)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (
        True,
        True,
        False,
    )
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("spiffe://example.org")]
    key = load_pem_private_key(made.key.encode(), None)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def test_a_long_trust_domain_fits() -> None:
    made = make_authority("a" * 255, now=NOW, life=timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("spiffe://" + "a" * 255)]


def test_the_secret_has_both_under_the_names_of_its_type() -> None:
    made = make_authority("example.org", now=NOW, life=timedelta(days=1))
    secret = secret_of(made, ObjectKey("spire", "upstream-authority"))
    assert secret.type == "kubernetes.io/tls"
    assert base64.b64decode(secret.data["tls.crt"]).decode() == made.certificate
    assert base64.b64decode(secret.data["tls.key"]).decode() == made.key
