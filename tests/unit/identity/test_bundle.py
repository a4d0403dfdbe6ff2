"""Reading and writing the documents that bundles are exchanged as."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle, parse_bundle
from tests.support.bundledocument import dump_bundle

PATH = "spec.trustDomainBundle"
NAME = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "other.test")])

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificate_of(key: PrivateKey) -> bytes:
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def public_der(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey,
) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


KEYS: list[PrivateKey] = [
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()),
    rsa.generate_private_key(public_exponent=65537, key_size=2048),
]
CERTIFICATES = [certificate_of(key) for key in KEYS]
PUBLIC = [public_der(key.public_key()) for key in KEYS]

bundles = st.builds(
    Bundle,
    trust_domain=st.just("other.test"),
    x509_authorities=st.lists(st.sampled_from(CERTIFICATES), max_size=3).map(tuple),
    jwt_authorities=st.lists(
        st.tuples(st.text(min_size=1, max_size=5), st.sampled_from(PUBLIC)), max_size=3
    ).map(tuple),
    refresh_hint=st.integers(0, 2**63 - 1),
    sequence_number=st.integers(0, 2**64 - 1),
)

GOOD = Bundle(
    "other.test",
    x509_authorities=(CERTIFICATES[0],),
    jwt_authorities=(("k", PUBLIC[0]),),
    refresh_hint=300,
    sequence_number=7,
)


def read(text: str) -> Bundle:
    return parse_bundle(text, trust_domain="other.test", path=PATH)


@given(bundle=bundles)
def test_what_is_written_reads_the_same(bundle: Bundle) -> None:
    assert read(dump_bundle(bundle)) == bundle


@given(text=st.text())
def test_no_text_raises_anything_but_an_invalid_field(text: str) -> None:
    with pytest.raises(InvalidField):
        read(text)


def changed(change: Callable[[dict[str, str | list[str]]], object]) -> str:
    """The good document with both of its keys changed."""
    document = json.loads(dump_bundle(GOOD))
    for key in document["keys"]:
        change(key)
    return json.dumps(document)


def test_keys_for_another_use_and_unknown_members_are_ignored() -> None:
    document = json.loads(dump_bundle(GOOD))
    document["keys"] += [{"kty": "EC", "use": "sig", "kid": "x"}, {"kty": "odd"}]
    document["keys"][0]["alg"] = None
    document["spiffe_extension"] = {"a": 1}
    assert read(json.dumps(document)) == GOOD


def test_sequence_and_hint_may_be_left_out_or_null() -> None:
    assert read('{"keys": []}') == Bundle("other.test")
    nulls = '{"keys": [], "spiffe_sequence": null, "spiffe_refresh_hint": null}'
    assert read(nulls) == Bundle("other.test")
    # What SPIRE takes is taken.
    assert read('{"keys": [], "spiffe_refresh_hint": -1}') == Bundle("other.test")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", PATH),
        ("-----BEGIN CERTIFICATE-----", PATH),
        ("[]", PATH),
        ("{}", PATH),
        ('{"keys": null}', PATH),
        ('{"keys": [], "spiffe_sequence": -1}', f"{PATH}.spiffe_sequence"),
        (f'{{"keys": [], "spiffe_sequence": {2**64}}}', f"{PATH}.spiffe_sequence"),
        (f'{{"keys": [], "spiffe_refresh_hint": {2**63}}}', f"{PATH}.spiffe_refresh_hint"),
        (changed(lambda key: key.pop("x5c", None)), f"{PATH}.keys[0].x5c"),
        (changed(lambda key: key.update(x5c=[])), f"{PATH}.keys[0].x5c"),
        (changed(lambda key: key.update(x5c=["A" * 99])), f"{PATH}.keys[0].x5c[0]"),
        (changed(lambda key: key.update(x5c=["AAAA"])), f"{PATH}.keys[0].x5c[0]"),
        (changed(lambda key: key.pop("kid", None)), f"{PATH}.keys[1].kid"),
        (changed(lambda key: key.update(crv="P-1")), f"{PATH}.keys[1].kty"),
        (changed(lambda key: key.update(kty="OKP")), f"{PATH}.keys[1].kty"),
        (changed(lambda key: key.update(x="AAAA")), f"{PATH}.keys[1]"),
        (changed(lambda key: key.update(x="!")), f"{PATH}.keys[1]"),
        (changed(lambda key: key.update(kty="RSA", n="", e="")), f"{PATH}.keys[1]"),
    ],
    ids=[
        "empty",
        "pem",
        "list",
        "no-keys",
        "null-keys",
        "negative-sequence",
        "huge-sequence",
        "huge-hint",
        "no-certificate",
        "empty-certificates",
        "bad-base64",
        "no-der",
        "no-key-id",
        "other-curve",
        "other-type",
        "off-the-curve",
        "bad-number",
        "empty-rsa",
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(text: str, path: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read(text)
    assert caught.value.path == path
    assert caught.value.remedy
    assert len(caught.value.value) <= 60


def test_bundles_with_the_same_keys_vouch_alike_whatever_their_order() -> None:
    first = Bundle("a.test", tuple(CERTIFICATES[:2]), (("k", PUBLIC[0]),), sequence_number=1)
    second = Bundle("a.test", tuple(reversed(CERTIFICATES[:2])), (("k", PUBLIC[0]),))
    assert first.vouches_like(second)
    assert not first.vouches_like(Bundle("a.test", tuple(CERTIFICATES[:2])))
    assert not first.vouches_like(Bundle("a.test", (CERTIFICATES[0],), (("k", PUBLIC[0]),)))


def test_a_document_as_servers_write_it_is_read() -> None:
    """Certificates come with the members of their key, which are not looked at."""
    key = KEYS[0].public_key()
    text = json.dumps(
        {
            "keys": [
                {
                    "use": "x509-svid",
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "ignored",
                    "y": "ignored",
                    "x5c": [base64.b64encode(CERTIFICATES[0]).decode()],
                }
            ],
            "spiffe_sequence": 12,
            "spiffe_refresh_hint": 300,
        }
    )
    bundle = read(text)
    found = x509.load_der_x509_certificate(bundle.x509_authorities[0])
    assert found.public_key() == key


def test_a_certificate_of_a_version_that_there_is_not_is_refused() -> None:
    """The library has an error of its own for it, which is no ValueError."""
    strange = CERTIFICATES[0].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
    key = {"use": "x509-svid", "kty": "EC", "x5c": [base64.b64encode(strange).decode()]}
    with pytest.raises(InvalidField, match=r"x5c\[0\].*not a certificate"):
        parse_bundle(json.dumps({"keys": [key]}), trust_domain="other.test", path=PATH)
