"""TLS contexts that change while their socket stays open."""

import ssl
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from registrar.tlskeys import load_from_memory


class LendingContext(ssl.SSLContext):
    """Serves each new connection with the newest context.

    A context that stays and is given other certificates would not do: it keeps
    its sessions and the key of its tickets, and who resumes a session is not
    verified again, so that the old authority would be trusted on. By itself
    this one has no certificate: a server that passes ``wrap_bio`` by gets none.
    """

    latest: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the standard library's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the newest context does it; asyncio calls this for each connection."""
        return self.latest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def identify(context: ssl.SSLContext, key: bytes, chain: Iterable[x509.Certificate]) -> None:
    """Give the context its private key, PEM, and certificate chain. Raises ssl.SSLError."""
    chained = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    load_from_memory(context, key + chained)
