"""Certificates that sign themselves, valid as long as a test wants."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(*, since_hours: float, for_hours: float) -> x509.Certificate:
    """One that began so many hours ago, and lasts so many from then on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    begins = datetime.now(UTC) - timedelta(hours=since_hours)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(hours=for_hours))
        .sign(key, hashes.SHA256())
    )
