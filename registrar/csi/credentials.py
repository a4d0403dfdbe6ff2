"""What an agent gives for a Pod, and which of it a volume is to hold. Times are Unix seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from registrar.csi.wish import Wish
from registrar.identity.spiffeid import trust_domain_of
from registrar.spire.delegated import JWTSVID, X509SVID

Bundles = Mapping[str, Sequence[bytes]]
"""Certificates of authorities, DER, by trust domain."""


class BrokenSVID(ValueError):  # noqa: N818 - named by what it is
    """An SVID that nobody can use; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything that goes into one volume; ``bundles`` are the own one and those federated with.

    ``tokens`` are by the file for which they are; ``jwt_bundles`` JWKS documents by trust domain.
    """

    svids: tuple[X509SVID, ...]
    bundles: Bundles
    tokens: Mapping[str, Sequence[JWTSVID]] = field(default_factory=dict)
    jwt_bundles: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def trust_domain(self) -> str:
        """The own one."""
        return trust_domain_of(self.svids[0].spiffe_id)

    @property
    def expires_at(self) -> float:
        """When the first of the SVIDs does."""
        return min(svid.expires_at for svid in self.svids)


def chosen(svids: Sequence[X509SVID], wish: Wish) -> tuple[X509SVID, ...]:
    """The SVIDs that a volume asks for; none when there is none of that hint or SPIFFE ID."""
    if wish.all_svids:
        return tuple(svids)
    found = [
        svid
        for svid in svids
        if (not wish.hint or svid.hint == wish.hint)
        and (not wish.spiffe_id or svid.spiffe_id == wish.spiffe_id)
    ]
    return tuple(found[:1])


def check_svid(svid: X509SVID) -> None:
    """Raises BrokenSVID for one that cannot be used, as when its key is another certificate's."""
    try:
        leaf, *_ = [x509.load_der_x509_certificate(der) for der in svid.chain]
        key = load_der_private_key(svid.key, password=None)
        shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public, certified = (
            each.public_bytes(*shape) for each in (key.public_key(), leaf.public_key())
        )
        ids = _spiffe_ids(leaf)
    except Exception as error:  # there is no list of what a parser may raise
        raise BrokenSVID(f"the SVID of {svid.spiffe_id} cannot be read: {error}") from error
    if public != certified:
        raise BrokenSVID(f"the key of {svid.spiffe_id} is not that of its certificate")
    if ids != [svid.spiffe_id]:
        raise BrokenSVID(f"the certificate that came for {svid.spiffe_id} is for {ids}")


def vetted(
    svids: Sequence[X509SVID], before: Sequence[X509SVID], now: float
) -> tuple[tuple[X509SVID, ...], str]:
    """Those that can be used, and what is wrong with the others. Raises BrokenSVID for none.

    In the place of one that cannot stands the one that the same entry had before.
    """
    usable, wrong = [], []
    for svid in svids:
        try:
            _check_time(svid, now)
            check_svid(svid)
            usable.append(svid)
        except BrokenSVID as error:
            wrong.append(str(error))
            same = (svid.spiffe_id, svid.hint)
            usable += [old for old in before if (old.spiffe_id, old.hint) == same][:1]
    words = "; ".join(wrong)
    if wrong and not any(svid in usable for svid in svids):
        raise BrokenSVID(words)
    return tuple(usable), words


def _check_time(svid: X509SVID, now: float) -> None:
    if svid.expires_at <= now:
        raise BrokenSVID(
            f"the SVID of {svid.spiffe_id} has expired already: is the agent's clock, or "
            "ours, wrong?"
        )


def _spiffe_ids(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)
