"""A trust bundle as servers publish it: a document in SPIFFE's format, or PEM certificates.

PEM has X.509 authorities alone, which is enough to authenticate a bundle endpoint.
"""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.errors import shortened
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle, parse_bundle

_PEM = "-----BEGIN "
_MOST_SHOWN = 60
_REMEDY = (
    "publish the bundle there as 'spire-server bundle show -format spiffe' or '-format pem' shows "
    "it, or as SPIRE's bundle publisher k8s_configmap does"
)


def parse_published(text: str, *, trust_domain: str, path: str) -> Bundle:
    """Read a bundle in either format. Raises InvalidField, naming ``path``."""
    if not text.strip():
        raise InvalidField(path, text, f"it is empty: {_REMEDY}")
    if _PEM in text:
        bundle = Bundle(trust_domain, x509_authorities=_certificates(text, path))
    elif text.lstrip().startswith("{"):
        bundle = parse_bundle(text, trust_domain=trust_domain, path=path)
    else:
        shown = shortened(text, _MOST_SHOWN)
        raise InvalidField(path, shown, f"neither a bundle document nor PEM: {_REMEDY}")
    if not bundle.x509_authorities and not bundle.jwt_authorities:
        raise InvalidField(path, shortened(text, _MOST_SHOWN), f"it holds no keys: {_REMEDY}")
    return bundle


def _certificates(text: str, path: str) -> tuple[bytes, ...]:
    """The certificates of PEM, each once, as DER."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        # What stands there may be a key, so no more than its first line is shown.
        first = text[text.index(_PEM) :].partition("\n")[0]
        raise InvalidField(
            path, shortened(first, _MOST_SHOWN), f"no certificates in PEM ({error}): {_REMEDY}"
        ) from error
    return tuple(dict.fromkeys(certificate.public_bytes(Encoding.DER) for certificate in found))
