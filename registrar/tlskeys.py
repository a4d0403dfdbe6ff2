"""Keys for TLS that reach no disk: OpenSSL takes them from files only."""

import contextlib
import os
import ssl
import sys
import tempfile


def load_from_memory(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a context its private key and certificate chain, PEM, by a file in memory.

    Where the system has no such files, by one that only we may read and that is gone at once.
    Raises ssl.SSLError.
    """
    with contextlib.ExitStack() as stack:
        if sys.platform == "linux":
            descriptor = os.memfd_create("tls-key", os.MFD_CLOEXEC)
            file = stack.enter_context(os.fdopen(descriptor, "wb"))
            name = f"/proc/self/fd/{descriptor}"
        else:
            file = stack.enter_context(tempfile.NamedTemporaryFile())
            name = file.name
        file.write(pem)
        file.flush()
        context.load_cert_chain(name)
