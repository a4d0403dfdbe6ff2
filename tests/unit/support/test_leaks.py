"""What counts as a secret in a log, in every form that a careless line may give it."""

import base64
import json
import logging
from collections.abc import Callable
from typing import TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from registrar.telemetry.logging import kv
from tests.support.leaks import assert_none, searched, secrets_in

log = logging.getLogger(__name__)
log.propagate = False  # what is said here on purpose shall not fail the test itself

_PLAIN = NoEncryption()
Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, Key] = {
    "EC": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
FORMS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda der: base64.b64encode(der).decode(),
    "URL-safe base64": lambda der: base64.urlsafe_b64encode(der).decode().rstrip("="),
    "hexadecimal": bytes.hex,
    "bytes": repr,
    "a list of bytes": lambda der: repr([b"\x00" * 50, der]),
    "JSON": lambda der: json.dumps({"private_key": base64.b64encode(der).decode()}),
}
TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"ES256","kid":"a"}', b'{"aud":["b"],"sub":"c"}', b"signature-of-it")
)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_found_in_every_form(kind: str, form: str) -> None:
    der = KEYS[kind].private_bytes(Encoding.DER, PrivateFormat.PKCS8, _PLAIN)
    assert secrets_in(f"2026-01-02 INFO key={FORMS[form](der)} entry=7") != []


@pytest.mark.parametrize("kind", KEYS)
def test_a_pem_key_is_found_though_its_lines_are_escaped(kind: str) -> None:
    pem = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _PLAIN).decode()
    for text in (pem, repr(pem), json.dumps(pem)):
        assert secrets_in(text) != []


def test_a_token_is_found() -> None:
    (said,) = secrets_in(f"calls with authorization: Bearer {TOKEN}")
    assert said == "a token: …calls with authorization: Bearer"


def test_what_everybody_may_know_is_no_secret() -> None:
    public = KEYS["EC"].public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    harmless = [form(der) for form in FORMS.values()]
    assert secrets_in("\n".join([pem, *harmless, "0" * 200, "a/b" * 60, repr(b"x" * 90)])) == []


def test_a_secret_of_the_test_itself_is_found_and_not_repeated() -> None:
    with pytest.raises(AssertionError, match="a secret of the test: …the password is") as caught:
        assert_none("the password is hunter2", "hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_a_line_with_a_secret_among_its_values_fails_a_test(level: int) -> None:
    der = KEYS["EC"].private_bytes(Encoding.DER, PrivateFormat.PKCS8, _PLAIN)

    def test() -> None:
        with searched(__name__):
            log.log(level, "an SVID came", extra=kv(key=base64.b64encode(der).decode()))

    with pytest.raises(AssertionError, match="a key in base64"):
        test()
