"""Certificates and keys that others made, read so that every way to be broken is one error.

The library that reads them has no common error: a version that there is not, an extension
that stands twice, a name of an unknown kind and a key with a passphrase are each another one,
and few of them are ValueErrors. There is no list of them either.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key


class UnreadableError(ValueError):
    """A certificate or key that cannot be read; the message says why."""


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate whose public key can be read too. Raises UnreadableError."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except Exception as error:
        raise UnreadableError(_why(error)) from error
    return certificate


def read_pem_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a text, at least one. Raises UnreadableError."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except Exception as error:
        raise UnreadableError(_why(error)) from error


def read_private_key(der: bytes) -> PrivateKeyTypes:
    """A private key that has no passphrase. Raises UnreadableError."""
    try:
        return load_der_private_key(der, password=None)
    except Exception as error:
        raise UnreadableError(_why(error)) from error


def uris_of(certificate: x509.Certificate) -> list[str]:
    """The URIs among the names of a certificate, SPIFFE IDs among them. Raises UnreadableError."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except Exception as error:
        raise UnreadableError(_why(error)) from error
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others. Raises UnreadableError."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except Exception as error:
        raise UnreadableError(_why(error)) from error


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
