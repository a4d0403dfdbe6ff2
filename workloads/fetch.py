"""``client fetch``: what the agent gives to this workload, for people to read and as files."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registrar.identity.certificates import read_certificate, read_private_key
from registrar.identity.spiffeid import trust_domain_of
from topology.checks.token import Token
from topology.workloadapi import X509Answer


def described(answer: X509Answer) -> Iterator[str]:
    """Lines about all SVIDs and all bundles."""
    for svid in answer.svids:
        yield f"SPIFFE ID     {svid.spiffe_id}"
        yield f"trust domain  {trust_domain_of(svid.spiffe_id)}"
        for number, der in enumerate(svid.chain):
            certificate = read_certificate(der)
            yield f"certificate   {number}: {_name(certificate.subject)}"
            yield f"  issuer      {_name(certificate.issuer)}"
            yield f"  until       {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    for trust_domain, authorities in sorted(answer.authorities.items()):
        number = len(authorities)
        yield f"bundle        {trust_domain}: {number} authorit{'y' if number == 1 else 'ies'}"


def described_token(token: Token) -> Iterator[str]:
    """Lines about a JWT SVID."""
    until = datetime.fromtimestamp(token.expires_at, UTC)
    yield f"JWT           {token.algorithm}, key {token.key_id}"
    yield f"  subject     {token.subject}"
    yield f"  issuer      {token.issuer or '-'}"
    yield f"  audience    {', '.join(token.audience)}"
    yield f"  until       {until:%Y-%m-%dT%H:%M:%SZ}"


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"


def write(answer: X509Answer, folder: Path, *, der: bool) -> list[Path]:
    """Write chains, keys and bundles; returns the files. Blocks. Raises OSError.

    The names are those of `spire-agent api fetch x509 -write`, but that a bundle of another trust
    domain is called by it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    form, ending = (Encoding.DER, "der") if der else (Encoding.PEM, "pem")
    written = []
    for number, svid in enumerate(answer.svids):
        own = trust_domain_of(svid.spiffe_id)
        key = read_private_key(svid.key).private_bytes(form, PrivateFormat.PKCS8, NoEncryption())
        files = {
            f"svid.{number}.{ending}": _joined(svid.chain, form),
            f"svid.{number}.key": key,
            f"bundle.{number}.{ending}": _joined(answer.authorities.get(own, ()), form),
        }
        written += [_put(folder / name, content) for name, content in files.items()]
    own_domains = {trust_domain_of(svid.spiffe_id) for svid in answer.svids}
    for trust_domain, authorities in sorted(answer.authorities.items()):
        if trust_domain not in own_domains:
            path = folder / f"federated_bundle.{trust_domain}.{ending}"
            written.append(_put(path, _joined(authorities, form)))
    return written


def _joined(certificates: tuple[bytes, ...], form: Encoding) -> bytes:
    return b"".join(read_certificate(der).public_bytes(form) for der in certificates)


def _put(path: Path, content: bytes) -> Path:
    """Replace the file; nobody but us reads a key, from its first byte on."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    mode = 0o600 if path.suffix == ".key" else 0o644
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    fresh.rename(path)
    return path
