"""No secret in logs: what looks like a private key or a token, in whatever form a log may have it.

Every test is watched, whatever it is about: what the loggers of its process say is searched. Logs
of other processes are searched where a test has them, by `assert_none`.
"""

import base64
import binascii
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from registrar.telemetry.logging import TextFormatter

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_JWT = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")
"""A JWT-SVID or a service account's token: header, claims and signature."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{60,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){48,}|(?:[0-9A-F]{2}){48,}")
_BYTES = re.compile(r"""b(['"])(?:\\.|(?!\1).){40,}?\1""")
"""Bytes as Python shows them."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


def secrets_in(text: str) -> list[str]:
    """What a text tells that nobody may read, each in a word and with where it stands."""
    return sorted({*_named(text, _PEM, "a PEM key"), *_named(text, _JWT, "a token"), *_keys(text)})


def assert_none(text: str, *known: str) -> None:
    """Fail if a log holds a secret, or one of those that the test knows."""
    found = secrets_in(text)
    found += [f"a secret of the test: …{_around(text, text.index(k))}" for k in known if k in text]
    if found:
        raise AssertionError("\n".join(found))


def _named(text: str, pattern: re.Pattern[str], what: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        yield f"{what}: …{_around(text, match.start())}"


def _keys(text: str) -> Iterator[str]:
    """Private keys in DER, written as base64, as hexadecimal digits or as Python's bytes."""
    for match in _BASE64.finditer(text):
        if _is_key(_from_base64(match[0])):
            yield f"a key in base64: …{_around(text, match.start())}"
    for match in _HEX.finditer(text):
        if _is_key(bytes.fromhex(match[0])):
            yield f"a key in hexadecimal: …{_around(text, match.start())}"
    for match in _BYTES.finditer(text):
        if _is_key(_from_bytes(match[0][2:-1])):
            yield f"a key in bytes: …{_around(text, match.start())}"


def _around(text: str, place: int) -> str:
    """A few words before it, and nothing of it."""
    return " ".join(text[max(0, place - 60) : place].split())


def _from_base64(text: str) -> bytes:
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4))
    except (binascii.Error, ValueError):
        return b""


def _from_bytes(text: str) -> bytes:
    def plain(match: re.Match[str]) -> str:
        digits, octal, letter = match.groups()
        if digits or octal:
            return chr(int(digits or octal, 16 if digits else 8))
        return _CONTROLS.get(letter, letter)

    return _ESCAPE.sub(plain, text).encode("latin-1", "replace")


def _is_key(der: bytes) -> bool:
    # A sequence, and nothing else is worth a try.
    if der[:1] != b"\x30":
        return False
    try:
        load_der_private_key(der, None)
    except TypeError:
        return True  # encrypted; nobody writes that into a log by chance
    except Exception:  # noqa: BLE001 - bytes of any kind, and its errors are many
        return False
    return True


@contextmanager
def searched(name: str = "") -> Iterator[None]:
    """Search what a logger and those below it say, at every level, with all that lines carry."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(TextFormatter())
    logger = logging.getLogger(name)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
    assert_none(said.getvalue())


@pytest.fixture(autouse=True)
def no_secret_in_logs(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Search what each test logs; what the test itself sees of that stays what it was."""
    caplog.handler.setLevel(logging.getLogger().level)
    # The libraries have much to say at level debug, and nobody looks for it in a report.
    plugin = request.config.pluginmanager.get_plugin("logging-plugin")
    if plugin is not None:
        plugin.report_handler.setLevel(logging.INFO)
    with searched():
        yield
