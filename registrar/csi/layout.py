"""Credentials to files: names, contents and whether a file holds a secret. Pure.

One bundle for each trust domain, never merged: a merged one would let every
authority in it speak for every trust domain.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_der_private_key,
    pkcs12,
)

from registrar.csi.attributes import PKCS12, Profile, Wish
from registrar.csi.credentials import Credentials, chosen_token
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_trust_domain
from registrar.spire.delegated import X509SVID

_PEM_LINE = 64
_PROFILES: dict[Profile, tuple[str, str]] = {
    # spiffe/spiffe pull request 376, its text of August 2026.
    "2026-08": ("credential-bundle.private-key.pem", "{}.spiffe-trust-bundle.pem"),
    # The same, as it was proposed in February 2026.
    "2026-02": ("credential-bundle.pem", "{}.trust-bundle.pem"),
}
"""Names of the SPIFFE Filesystem Delivery draft by version: credentials, bundles."""


class File(NamedTuple):
    """The content of a file, and whether it must be kept secret."""

    content: bytes
    is_secret: bool = False


def files_of(credentials: Credentials, wish: Wish) -> dict[str, File]:
    """The files of a volume by their path. Raises InvalidField when two have the same."""
    files: dict[str, File] = {}
    for name, file in _files(credentials, wish):
        taken = next((known for known in files if _collide(known, name)), None)
        if taken is not None:
            raise InvalidField(
                "spec.volumes[].csi.volumeAttributes",
                name,
                f"{taken} is there already: give one of the two another name",
            )
        files[name] = file
    return files


def certificate_file(wish: Wish) -> str:
    """The file in which the first SVID's certificate comes first among certificates."""
    folder = "0/" if wish.all_svids else ""
    is_classic = wish.layout == "classic"
    return folder + (wish.classic.certificate if is_classic else _PROFILES[wish.profile][0])


def stores_of(credentials: Credentials, wish: Wish) -> set[str]:
    """The PKCS#12 files, which are encrypted otherwise each time they are made."""
    if wish.pkcs12 is None:
        return set()
    if not wish.all_svids:
        return {wish.pkcs12.file}
    return {f"{number}/{wish.pkcs12.file}" for number in range(len(credentials.svids))}


def _collide(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _files(credentials: Credentials, wish: Wish) -> Iterator[tuple[str, File]]:
    for number, svid in enumerate(credentials.svids):
        folder = f"{number}/" if wish.all_svids else ""
        yield from _of_svid(svid, credentials, wish, folder)
    if wish.layout == "classic":
        own, others = wish.classic.bundle, wish.classic.federated
        for domain, bundle in _bundles(credentials):
            is_own = domain == credentials.trust_domain
            yield (own if is_own else f"{others}/{domain}.pem"), File(_certificates(bundle))
    if wish.jwt_bundles:
        folder = wish.classic.federated
        for domain, document in sorted(credentials.jwt_bundles.items()):
            if domain == credentials.trust_domain:
                yield wish.jwt_bundles, File(document)
            elif _is_safe(domain):
                yield f"{folder}/{domain}.json", File(document)


def _of_svid(
    svid: X509SVID, credentials: Credentials, wish: Wish, folder: str
) -> Iterator[tuple[str, File]]:
    """The files of one SVID; with the draft's layout its bundles too."""
    certificates, key = _certificates(svid.chain), _key(svid)
    if wish.layout == "classic":
        yield f"{folder}{wish.classic.certificate}", File(certificates)
        yield f"{folder}{wish.classic.key}", File(key, is_secret=True)
    else:
        bundle_file, trust_file = _PROFILES[wish.profile]
        # The key first, as the draft wants it: one read gives a pair that fits.
        yield f"{folder}{bundle_file}", File(key + certificates, is_secret=True)
        for domain, bundle in _bundles(credentials):
            yield f"{folder}{trust_file.format(domain)}", File(_certificates(bundle))
    if wish.jwt is not None:
        token = chosen_token(credentials.tokens, svid)
        if token is not None:
            yield f"{folder}{wish.jwt.file}", File(token.token.encode(), is_secret=True)
    if wish.pkcs12 is not None:
        store = _pkcs12(svid, credentials, wish.pkcs12)
        yield f"{folder}{wish.pkcs12.file}", File(store, is_secret=True)


def _bundles(credentials: Credentials) -> Iterator[tuple[str, Sequence[bytes]]]:
    for domain, bundle in sorted(credentials.bundles.items()):
        if _is_safe(domain):
            yield domain, bundle


def _is_safe(domain: str) -> bool:
    """Whether a trust domain can be part of a file's name."""
    try:
        return check_trust_domain(domain, path="") == domain and not domain.startswith(".")
    except InvalidField:
        return False


def _certificates(chain: Sequence[bytes]) -> bytes:
    return b"".join(_pem("CERTIFICATE", der) for der in chain)


def _key(svid: X509SVID) -> bytes:
    """PKCS#8, as the agent gives it (Delegated Identity API)."""
    return _pem("PRIVATE KEY", svid.key)


def _pem(label: str, der: bytes) -> bytes:
    """Lines of 64 characters between two that name the content (RFC 7468, section 3)."""
    text = base64.b64encode(der).decode()
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _pkcs12(svid: X509SVID, credentials: Credentials, wish: PKCS12) -> bytes:
    """Key, chain, and the own trust domain's authorities as trusted certificates."""
    chain = [x509.load_der_x509_certificate(der) for der in svid.chain]
    authorities = [
        x509.load_der_x509_certificate(der)
        for der in credentials.bundles.get(credentials.trust_domain, ())
    ]
    key = load_der_private_key(svid.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        # SPIRE makes no others (ca_key_type and workload_x509_svid_key_type, its documentation).
        raise InvalidField("pkcs12File", wish.file, "not for keys of this type")
    return pkcs12.serialize_key_and_certificates(
        b"svid",
        key,
        chain[0],
        [*chain[1:], *authorities],
        BestAvailableEncryption(wish.password.encode()),
    )
