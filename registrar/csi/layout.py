"""Credentials to files: names, contents and whether a file holds a secret. Pure.

One bundle for each trust domain, never merged: a merged one would let every authority in it speak
for every trust domain. In the bundle map each of them stands under the name of its own.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_der_private_key,
    pkcs12,
)

from registrar.csi.bundlemap import bundle_map
from registrar.csi.credentials import Credentials
from registrar.csi.jwtsvid import chosen_token, subject_of
from registrar.csi.names import PATH, credential_file, trust_file
from registrar.csi.wish import PKCS12, Wish
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_trust_domain
from registrar.spire.delegated import X509SVID

_PEM_LINE = 64
_LONGEST_NAME = 255


class File(NamedTuple):
    """The content of a file, and whether it must be kept secret."""

    content: bytes
    is_secret: bool = False


def files_of(credentials: Credentials, wish: Wish) -> dict[str, File]:
    """The files of a volume by their path.

    Raises InvalidField when two have the same, which the check of the attributes prevents.
    Another trust domain's bundle whose name is taken, or too long, is left out: who federates
    with whom must not cost a Pod its own identity.
    """
    files: dict[str, File] = {}
    folders: set[str] = set()
    for name, file in _files(credentials, wish):
        if _is_taken(name, files, folders):
            raise InvalidField(
                PATH,
                name,
                "another file has this name, or that of its folder: give one of the two another",
            )
        files[name] = file
        folders.update(_folders_of(name))
    for name, file in _foreign(credentials, wish):
        is_long = len(name.rpartition("/")[2]) > _LONGEST_NAME
        if not is_long and not _is_taken(name, files, folders):
            files[name] = file
            folders.update(_folders_of(name))
    return files


def _is_taken(name: str, files: Mapping[str, File], folders: set[str]) -> bool:
    return name in files or name in folders or any(part in files for part in _folders_of(name))


def _folders_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def stores_of(credentials: Credentials, wish: Wish) -> set[str]:
    """The PKCS#12 files, which are encrypted otherwise each time they are made."""
    if wish.pkcs12 is None:
        return set()
    if not wish.all_svids:
        return {wish.pkcs12.file}
    return {f"{number}/{wish.pkcs12.file}" for number in range(len(credentials.svids))}


def _files(credentials: Credentials, wish: Wish) -> Iterator[tuple[str, File]]:
    """What is the workload's own: SVIDs, and the bundles of its trust domain."""
    own = _certificates(credentials.bundles[credentials.trust_domain])
    for number, svid in enumerate(credentials.svids):
        folder = _folder(wish, number)
        yield from _of_svid(svid, credentials, wish, folder)
        if wish.layout == "spiffe-files":
            yield folder + trust_file(wish, credentials.trust_domain), File(own)
    if wish.layout == "classic":
        yield wish.classic.bundle, File(own)
    if wish.bundle_map:
        yield wish.bundle_map, File(bundle_map(credentials.bundles))
    if wish.jwt_bundles and credentials.trust_domain in credentials.jwt_bundles:
        yield wish.jwt_bundles, File(credentials.jwt_bundles[credentials.trust_domain])


def _foreign(credentials: Credentials, wish: Wish) -> Iterator[tuple[str, File]]:
    """Bundles of the trust domains that are federated with."""
    for domain, bundle in sorted(credentials.bundles.items()):
        if domain == credentials.trust_domain or not _is_safe(domain):
            continue
        file = File(_certificates(bundle))
        if wish.layout == "classic":
            yield f"{wish.classic.federated}/{domain}.pem", file
            continue
        for number in range(len(credentials.svids)):
            yield _folder(wish, number) + trust_file(wish, domain), file
    for domain, document in sorted(credentials.jwt_bundles.items()) if wish.jwt_bundles else ():
        if domain != credentials.trust_domain and _is_safe(domain):
            yield f"{wish.classic.federated}/{domain}.json", File(document)


def _of_svid(
    svid: X509SVID, credentials: Credentials, wish: Wish, folder: str
) -> Iterator[tuple[str, File]]:
    """The files of one SVID."""
    certificates, key = _certificates(svid.chain), _key(svid)
    if wish.layout == "classic":
        yield f"{folder}{wish.classic.certificate}", File(certificates)
        yield f"{folder}{wish.classic.key}", File(key, is_secret=True)
    else:
        # The key first, as the draft wants it: one read gives a pair that fits.
        name = credential_file(wish)
        yield f"{folder}{name}", File(key + certificates, is_secret=True)
    for jwt in wish.jwt:
        token = chosen_token(credentials.tokens.get(jwt.file, ()), svid)
        if token is not None:
            yield f"{folder}{jwt.file}", File(token.token.encode(), is_secret=True)
    if wish.pkcs12 is not None:
        store = _pkcs12(svid, credentials, wish.pkcs12)
        yield f"{folder}{wish.pkcs12.file}", File(store, is_secret=True)


def carried_over(
    files: dict[str, File],
    credentials: Credentials,
    wish: Wish,
    shown: Callable[[str], bytes | None],
) -> dict[str, File]:
    """The files, with what is shown already of that which the agent does not give now.

    A token or JWKS document that cannot be had must not hold up certificates.
    """
    kept = dict(files)
    for jwt in wish.jwt:
        for number, svid in enumerate(credentials.svids):
            name = _folder(wish, number) + jwt.file
            old = None if name in files else shown(name)
            if old is not None and subject_of(old) == svid.spiffe_id:
                kept[name] = File(old, is_secret=True)
    if wish.jwt_bundles and not credentials.jwt_bundles:
        domains = sorted(set(credentials.bundles) - {credentials.trust_domain})
        names = [f"{wish.classic.federated}/{name}.json" for name in domains if _is_safe(name)]
        for name in (wish.jwt_bundles, *names):
            old = shown(name)
            if old is not None:
                kept[name] = File(old)
    return kept


def _folder(wish: Wish, number: int) -> str:
    return f"{number}/" if wish.all_svids else ""


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
