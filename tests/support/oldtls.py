"""TLS 1.1, which nobody may speak any more, for tests that it is refused."""

import ssl
import warnings

OLD = ssl.TLSVersion.TLSv1_1


def speak_only(context: ssl.SSLContext, version: ssl.TLSVersion = OLD) -> ssl.SSLContext:
    """The context, which speaks that version and no other, with ciphers of its time."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    return context
