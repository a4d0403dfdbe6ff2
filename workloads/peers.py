"""Who the other end of a TLS connection is, by the authorities of its own trust domain. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from registrar.errors import InvalidField
from registrar.identity.certificates import UnreadableError, read_certificate, uris_of
from registrar.identity.spiffeid import (
    SCHEME,
    check_spiffe_id,
    check_trust_domain,
    trust_domain_of,
)
from topology.checks.chain import verify_chain
from topology.checks.check import Untrue

ANYBODY = "any"


@dataclass(frozen=True, slots=True)
class Expected:
    """Who may be there: these SPIFFE IDs, everybody of these trust domains, or anybody known."""

    ids: frozenset[str]
    trust_domains: frozenset[str] = frozenset()
    anybody: bool = False

    def allows(self, spiffe_id: str) -> bool:
        """Whether it may be this one."""
        is_of_them = trust_domain_of(spiffe_id) in self.trust_domains
        return self.anybody or spiffe_id in self.ids or is_of_them

    def __str__(self) -> str:
        """As people write it."""
        domains = (f"{SCHEME}{name}" for name in self.trust_domains)
        return "anybody" if self.anybody else " or ".join(sorted((*self.ids, *domains)))


def parse_expected(texts: Collection[str], *, path: str) -> Expected:
    """Read SPIFFE IDs, trust domains (``spiffe://example.org``) or ``any``. Raises InvalidField."""
    if not texts:
        raise InvalidField(
            path,
            "",
            "say who may be there: a SPIFFE ID, spiffe://<trust domain> for all of it, or "
            f"{ANYBODY}",
        )
    ids, domains = set(), set()
    for text in texts:
        if text == ANYBODY:
            continue
        if text.startswith(SCHEME) and "/" not in text.removeprefix(SCHEME):
            domains.add(check_trust_domain(text, path=path))
        else:
            ids.add(check_spiffe_id(text, path=path))
    return Expected(frozenset(ids), frozenset(domains), ANYBODY in texts)


def identify(
    chain: Sequence[bytes],
    authorities: Mapping[str, Sequence[bytes]],
    expected: Expected,
    *,
    now: datetime,
) -> str:
    """The SPIFFE ID of a chain, DER and the leaf first, if it is good and expected.

    Only the authorities of the trust domain that the leaf names count: with those of all of them
    in one heap, each could speak for the others. Raises Untrue.
    """
    if not chain:
        raise Untrue("it shows no certificate")
    try:
        leaf = read_certificate(chain[0])
        spiffe_id = _id_of(leaf)
        known = authorities.get(trust_domain_of(spiffe_id), ())
        if not known:
            raise Untrue(f"it is {spiffe_id}, whose trust domain has no authorities here")
        verify_chain(chain, known, now=now)
        _check_usage(leaf)
    except UnreadableError as error:
        raise Untrue(f"its certificate cannot be read: {error}") from error
    except ValueError as error:
        raise Untrue(f"its chain cannot be read: {error}") from error
    if not expected.allows(spiffe_id):
        raise Untrue(f"it is {spiffe_id}, not {expected}")
    return spiffe_id


def _id_of(leaf: x509.Certificate) -> str:
    """X509-SVID, section 2: exactly one URI, and that a SPIFFE ID."""
    uris = uris_of(leaf)
    if len(uris) != 1:
        raise Untrue(f"its certificate has {len(uris)} URIs, not one SPIFFE ID")
    try:
        return check_spiffe_id(uris[0], path="URI")
    except InvalidField as error:
        raise Untrue(f"its certificate has no SPIFFE ID: {error}") from error


def _check_usage(leaf: x509.Certificate) -> None:
    """X509-SVID, section 4.3: the certificate of a workload signs no others."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Untrue("its certificate does not say what its key is for") from error
    if usage.key_cert_sign or usage.crl_sign:
        raise Untrue("its certificate may sign others")
    if not usage.digital_signature:
        raise Untrue("its certificate is not for signatures")
