"""Whatever is wrong with a certificate or key, it is one error, which says why."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from registrar.identity.certificates import (
    UnreadableError,
    is_authority,
    read_certificate,
    read_pem_certificates,
    read_private_key,
    uris_of,
)

KEY = ec.generate_private_key(ec.SECP256R1())
ID = "spiffe://example.org/web"


def certificate(*extensions: x509.ExtensionType) -> bytes:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def private_key(password: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, protection)


NAMES = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(ID)])
GOOD = certificate(NAMES, x509.BasicConstraints(ca=True, path_length=None))
# Each of these is an error of a type of its own in the library.
STRANGE_VERSION = GOOD.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
STRANGE_NAMES = certificate(
    x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\xaa\x01\x00")
)
STRANGE_CONSTRAINTS = certificate(
    x509.UnrecognizedExtension(x509.BasicConstraints.oid, b"\x30\x03\x01\x01\x07")
)
BROKEN_PEM = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"


def test_what_is_good_is_read() -> None:
    found = read_certificate(GOOD)
    assert uris_of(found) == [ID]
    assert is_authority(found)
    assert read_private_key(private_key()).public_key() == found.public_key()
    assert read_pem_certificates(found.public_bytes(Encoding.PEM)) == [found]


def test_what_is_not_there_is_nothing() -> None:
    bare = read_certificate(certificate())
    assert uris_of(bare) == []
    assert not is_authority(bare)


@pytest.mark.parametrize(
    "reading",
    [
        lambda: read_certificate(STRANGE_VERSION),
        lambda: read_certificate(b""),
        lambda: read_certificate(GOOD[:100]),
        lambda: read_certificate(GOOD + b"\0"),
        lambda: uris_of(read_certificate(STRANGE_NAMES)),
        lambda: is_authority(read_certificate(STRANGE_CONSTRAINTS)),
        lambda: read_private_key(private_key(b"secret")),
        lambda: read_private_key(b"\x30\x00"),
        lambda: read_private_key(GOOD),
        lambda: read_pem_certificates(b""),
        lambda: read_pem_certificates(BROKEN_PEM),
    ],
    ids=[
        "version", "nothing", "cut", "longer", "names", "constraints", "passphrase", "no key",
        "a certificate", "no PEM", "broken PEM",
    ],
)  # fmt: skip
def test_what_is_broken_is_one_error(reading: Callable[[], object]) -> None:
    with pytest.raises(UnreadableError, match=r"."):
        reading()
