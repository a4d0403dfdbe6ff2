"""Bundles as servers publish them: SPIFFE's format, or PEM."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.spire.authority import Authority
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle
from registrar.identity.publishedbundle import parse_published
from tests.support.bundledocument import dump_bundle
from tests.support.federation import seed

ONE, TWO = Authority("a.test"), Authority("a.test")


def parse(text: str) -> Bundle:
    return parse_published(text, trust_domain="a.test", path="where")


def test_a_document_is_read_with_all_its_keys() -> None:
    keys = seed("k", "a.test").jwt_authorities
    bundle = Bundle("a.test", (ONE.certificate_der,), keys, 60, 7)
    assert parse(dump_bundle(bundle)) == bundle
    assert parse(f"\n  {dump_bundle(bundle)}") == bundle


def test_pem_holds_certificates_each_once_whatever_stands_between_them() -> None:
    one, two = ONE.certificate_pem.decode(), TWO.certificate_pem.decode()
    text = f"# the root\n{one}\n# another\n{two}{one}".replace("\n", "\r\n")
    assert parse(text) == Bundle("a.test", (ONE.certificate_der, TWO.certificate_der))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("hello", "neither a bundle document nor PEM"),
        ("[]", "neither a bundle document nor PEM"),
        ("{", "not a bundle document"),
        ("{}", "it has no 'keys'"),
        ('{"keys": []}', "it holds no keys"),
        ('{"keys": [{"use": "other"}]}', "it holds no keys"),
        ("-----BEGIN CERTIFICATE-----", "no certificates in PEM"),
        (ONE.certificate_pem.decode()[:-40], "no certificates in PEM"),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
            "no certificates in PEM",
        ),
    ],
)
def test_what_is_no_bundle_is_an_error_that_says_so(text: str, words: str) -> None:
    with pytest.raises(InvalidField, match=r"^where") as raised:
        parse(text)
    assert words in str(raised.value)
    assert "publish the bundle" in str(raised.value) or "spire-server bundle show" in str(
        raised.value
    )


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda b: f"-----BEGIN {b!r}"))
def test_any_text_is_a_bundle_or_an_error(text: str) -> None:
    try:
        assert parse(text).x509_authorities
    except InvalidField as error:
        json.dumps(str(error))
