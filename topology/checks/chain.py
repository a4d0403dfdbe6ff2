"""X.509 SVIDs, verified by nothing but the authorities of a trust domain. Pure."""

import itertools
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from topology.checks.check import Untrue


def verify_chain(
    chain: Sequence[bytes], authorities: Sequence[bytes], *, now: datetime
) -> list[x509.Certificate]:
    """Verify each certificate by the next, and the last by an authority. Raises Untrue."""
    if not chain:
        raise Untrue("there is no certificate")
    certificates = [x509.load_der_x509_certificate(der) for der in chain]
    for number, certificate in enumerate(certificates):
        who = certificate.subject.rfc4514_string() or "the leaf"
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Untrue(f"{who} is not valid now")
        if _is_ca(certificate) != (number > 0):
            raise Untrue(f"{who} {'is no CA' if number else 'is a CA'}")
    for below, above in itertools.pairwise(certificates):
        if not _is_issued_by(below, above):
            raise Untrue(f"{below.subject.rfc4514_string()} is not signed by the one after it")
    trusted = [x509.load_der_x509_certificate(der) for der in authorities]
    if not any(_is_issued_by(certificates[-1], authority) for authority in trusted):
        issuer = certificates[-1].issuer.rfc4514_string()
        raise Untrue(f"none of {len(trusted)} authorities has signed it: its issuer is {issuer}")
    return certificates


def identity_of(certificate: x509.Certificate) -> str:
    """The SPIFFE ID in a certificate. Raises Untrue where there is not exactly one."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise Untrue("it has no SPIFFE ID") from error
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(found) != 1:
        raise Untrue(f"it has {len(found)} URIs")
    return found[0]


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return basic.value.ca


def _is_issued_by(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
