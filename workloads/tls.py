"""TLS by SVIDs: whoever is not expected is refused in the handshake, before a byte of data.

OpenSSL has one heap of authorities for a connection, so it alone would let each trust domain speak
for the others. It does its part (signatures, dates, purposes), and then, still in the handshake,
``peers.identify`` looks at the chain by the authorities of its own trust domain alone.
"""

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registrar.identity.certificates import read_private_key
from registrar.tlskeys import load_from_memory
from topology.checks.check import Untrue
from topology.workloadapi import Unanswered, X509Answer
from workloads.peers import Expected, identify

_DER = 2
"""The form in which a certificate is asked for; OpenSSL's X509_FILETYPE_ASN1."""


class _Certificate(Protocol):
    def public_bytes(self, form: int, /) -> bytes: ...


class _Connection(Protocol):
    def get_unverified_chain(self) -> Sequence[_Certificate] | None: ...


class SVIDContext(ssl.SSLContext):
    """What a connection needs to know of the other side; ``expected`` is None if it shows nothing.

    A session is never resumed: that would skip what is looked at in the handshake.
    """

    authorities: Mapping[str, Sequence[bytes]]
    expected: Expected | None


class _CheckedObject(ssl.SSLObject):
    """A connection whose handshake ends with our own look at the peer, ``peer_id`` from then on."""

    peer_id: str = ""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        if not isinstance(context, SVIDContext) or context.expected is None:
            return
        try:
            now = datetime.now(UTC)
            self.peer_id = identify(chain_of(self), context.authorities, context.expected, now=now)
        except Untrue as error:
            raise ssl.SSLCertVerificationError(f"the peer is refused: {error}") from error


def peer_of(tls: object) -> str:
    """The SPIFFE ID of the other side; empty where it showed none, or there is no TLS."""
    return tls.peer_id if isinstance(tls, _CheckedObject) else ""


def chain_of(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the peer has shown, DER, the leaf first."""
    # Public from Python 3.13 on; before that its own modules have it only.
    inner: _Connection = tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
    return [each.public_bytes(_DER) for each in inner.get_unverified_chain() or ()]


def server_context(answer: X509Answer, clients: Expected | None) -> SVIDContext:
    """TLS as our SVID; with ``clients`` the other side must show one too. Raises Unanswered."""
    return _context(ssl.PROTOCOL_TLS_SERVER, answer, clients, shows=True)


def client_context(answer: X509Answer, servers: Expected, *, shows: bool) -> SVIDContext:
    """TLS to one of these servers; ``shows`` our own SVID if it is asked for. Raises Unanswered."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, answer, servers, shows=shows)


def _context(
    protocol: int, answer: X509Answer, expected: Expected | None, *, shows: bool
) -> SVIDContext:
    context = SVIDContext(protocol)
    context.sslobject_class = _CheckedObject
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    # A SPIFFE ID is looked at by us; hosts mean nothing in SPIFFE.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if expected is None else ssl.CERT_REQUIRED
    # Every authority of a bundle is an end of the chain, self-signed or not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.authorities = answer.authorities
    context.expected = expected
    svid = answer.svids[0]
    try:
        known = b"".join(der for each in answer.authorities.values() for der in each)
        if known:
            context.load_verify_locations(cadata=known)
        if shows:
            key = read_private_key(svid.key)
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pem += b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in svid.chain)
            load_from_memory(context, pem)
    except (ValueError, ssl.SSLError) as error:
        raise Unanswered(f"the agent sent an SVID that cannot be read: {error}") from error
    return context
