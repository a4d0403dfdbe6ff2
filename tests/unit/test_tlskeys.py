"""Keys that OpenSSL takes from memory."""

import ssl
from pathlib import Path

import pytest

from registrar.tlskeys import load_from_memory
from tests.support.podwebhook import write_material


def test_a_key_is_taken_with_its_certificate_and_with_no_other(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        write_material(tmp_path / name)
    key, certificate = ((tmp_path / "mine" / n).read_bytes() for n in ("key.pem", "cert.pem"))
    load_from_memory(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), key + certificate)
    other = (tmp_path / "theirs" / "cert.pem").read_bytes()
    with pytest.raises(ssl.SSLError):
        load_from_memory(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), key + other)
