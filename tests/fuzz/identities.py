"""What SPIRE's server and agent send: messages, certificates, bundles, tokens, keys."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st

from api.proto import entry_pb2, types_pb2, workload_pb2
from registrar.csi.credentials import BrokenSVID, check_svid
from registrar.errors import InvalidField
from registrar.identity.bundle import parse_bundle
from registrar.identity.certificates import UnreadableError, is_authority, read_certificate, uris_of
from registrar.spire.convert import from_proto, to_proto
from registrar.spire.delegated import X509SVID
from registrar.spire.der import BrokenDER, split_der
from registrar.spire.errors import error_of
from registrar.spire.federation import bundle_from_proto, bundle_to_proto, relationship_from_proto
from registrar.spire.readable import read_bundle, why_no_jwks
from registrar.spire.relay import RefusedPeerError, client_context
from registrar.spire.workload import NoIdentityError, identity_of
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated, text_of

WORKLOAD = "spiffe://example.org/web"
# Fixed, so that the inputs are the same each time: a key of everybody's protects nothing.
_KEY = ec.derive_private_key(7, ec.SECP256R1())
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def _certificate(*, is_ca: bool = False, uri: str = WORKLOAD) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(_KEY.public_key())
        .serial_number(7)
        .not_valid_before(_BEGIN)
        .not_valid_after(_BEGIN + timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False
        )
        .sign(_KEY, hashes.SHA256(), ecdsa_deterministic=True)
    )


LEAF = _certificate().public_bytes(Encoding.DER)
AUTHORITY = _certificate(is_ca=True, uri="spiffe://example.org").public_bytes(Encoding.DER)
KEY = _KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
# Version 9 of X.509 does not exist, and the library has an error of its own for it.
STRANGE_VERSION = LEAF.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
LOCKED = _KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
_DER_MARKS = (b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x82\xff\xff", b"\x02\x01\x09", LEAF)


def _der(data: bytes) -> None:
    """Each of the readers of certificates, whatever stands in their way."""
    found, why = read_bundle(data)
    assert all(data.find(der) >= 0 for der in found)
    assert found or why or not data
    certificate = None
    try:
        certificate = read_certificate(data)
        uris_of(certificate)
        is_authority(certificate)
    except UnreadableError as error:
        assert str(error)
    svid = X509SVID(WORKLOAD, (data,), KEY, "", 4e9)
    for each in (svid, X509SVID(WORKLOAD, (LEAF,), data, "", 4e9)):
        try:
            check_svid(each)
        except BrokenSVID as error:
            assert str(error)
    _as_identity(data, KEY)
    _as_identity(LEAF, data)
    assert b"".join(split_der(data)) == data


def _as_identity(chain: bytes, key: bytes) -> None:
    message = workload_pb2.X509SVIDResponse(
        svids=[
            workload_pb2.X509SVID(
                spiffe_id=WORKLOAD, x509_svid=chain, x509_svid_key=key, bundle=AUTHORITY
            )
        ]
    )
    try:
        client_context(identity_of(message, "example.org"))
    except (NoIdentityError, RefusedPeerError, OSError) as error:
        assert str(error)


DER_SEEDS = (LEAF, AUTHORITY, LEAF + AUTHORITY, KEY, LOCKED, STRANGE_VERSION)
DER = Target(
    "der",
    _der,
    st.one_of(mutated(DER_SEEDS, _DER_MARKS), ANY),
    refused=(BrokenDER,),
    seeds=DER_SEEDS,
)


def _jwk(**fields: object) -> dict[str, object]:
    return {
        "use": "jwt-svid",
        "kty": "EC",
        "kid": "k",
        "crv": "P-256",
        "x": "AA",
        "y": "AA",
        **fields,
    }


_X5C = base64.b64encode(AUTHORITY).decode()
_NUMBERS = _KEY.public_key().public_numbers()


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()


BUNDLE_SEEDS = tuple(
    json.dumps(document).encode()
    for document in (
        {
            "keys": [
                {"use": "x509-svid", "kty": "EC", "x5c": [_X5C]},
                _jwk(x=_number(_NUMBERS.x), y=_number(_NUMBERS.y)),
            ],
            "spiffe_sequence": 1,
            "spiffe_refresh_hint": 300,
        },
        {"keys": [{"use": "x509-svid", "x5c": [base64.b64encode(STRANGE_VERSION).decode()]}]},
        {"keys": [_jwk(kty="RSA", n="AQAB" * 600, e="AQAB")]},
        {"keys": None},
        {"keys": [_jwk(crv="P-521"), _jwk(kid=""), {"use": "x"}], "spiffe_sequence": -1},
    )
)
_JWKS = st.builds(
    lambda keys, sequence, hint: json.dumps(
        {"keys": keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": hint}
    ).encode(),
    st.lists(
        st.builds(
            lambda use, kty, crv, x, e, x5c: _jwk(
                use=use, kty=kty, crv=crv, x=x, y=x, n=x, e=e, x5c=x5c
            ),
            st.sampled_from(["x509-svid", "jwt-svid", "sig", ""]),
            st.sampled_from(["EC", "RSA", "OKP", ""]),
            st.sampled_from(["P-256", "P-384", "P-521", "P-1", ""]),
            st.sampled_from(["", "AA", "AQAB", "A", "====", "é", "_" * 700, _number(_NUMBERS.x)]),
            st.sampled_from(["", "AQ", "Ag", "AQAB", "_" * 700]),
            st.lists(st.sampled_from(["", "AA==", "é", _X5C, _X5C[:40], "=" * 8]), max_size=2),
        ),
        max_size=3,
    ),
    st.sampled_from([None, 0, -1, 2**64, 10**400, 1.5, "1"]),
    st.sampled_from([None, 0, -1, 2**63, 1e300, []]),
)


def _bundle(data: bytes) -> None:
    assert why_no_jwks(data).isascii() or why_no_jwks(data)
    bundle = parse_bundle(text_of(data), trust_domain="a.test", path="spec.trustDomainBundle")
    for der in bundle.x509_authorities:
        read_certificate(der)
    again = bundle_from_proto(bundle_to_proto(bundle))
    assert again.vouches_like(bundle)
    assert again == bundle


BUNDLE = Target(
    "bundle",
    _bundle,
    st.one_of(_JWKS, mutated(BUNDLE_SEEDS, (b'"keys":', b'"use":"jwt-svid"', b"[[", b"{}")), ANY),
    refused=(InvalidField,),
    seeds=BUNDLE_SEEDS,
)

TEXTS = st.sampled_from(
    [
        "",
        "a",
        "example.org",
        "/web",
        "spiffe://a/b",
        "..",
        "../../etc/passwd",
        "a/b",
        "\0",
        "é" * 300,
    ]
)
_INTS = st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 60])
LONGS = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 1_700_000_000])
_IDS = st.builds(lambda a, b: types_pb2.SPIFFEID(trust_domain=a, path=b), TEXTS, TEXTS)
_ENTRIES = st.builds(
    lambda text, spiffe_id, parent, selectors, number, long, texts, flag: types_pb2.Entry(
        id=text,
        spiffe_id=spiffe_id,
        parent_id=parent,
        selectors=[types_pb2.Selector(type=a, value=b) for a, b in selectors],
        x509_svid_ttl=number,
        jwt_svid_ttl=number,
        expires_at=long,
        created_at=long,
        revision_number=long,
        federates_with=texts,
        dns_names=texts,
        hint=text,
        admin=flag,
        downstream=flag,
        store_svid=flag,
    ),
    TEXTS,
    _IDS,
    _IDS,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4),
    _INTS,
    LONGS,
    st.lists(TEXTS, max_size=4),
    st.booleans(),
)
_RESULTS = st.builds(
    lambda entries, codes, message: entry_pb2.BatchCreateEntryResponse(
        results=[
            entry_pb2.BatchCreateEntryResponse.Result(
                status=types_pb2.Status(code=code, message=message), entry=entry
            )
            for entry, code in zip(entries, codes, strict=False)
        ]
    ),
    st.lists(_ENTRIES, max_size=4),
    st.lists(_INTS, max_size=4),
    st.one_of(TEXTS, st.just('unable to find federated bundle "spiffe://x')),
)
ENTRY_SEEDS = (
    types_pb2.Entry(
        id="a.b",
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/web"),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/node"),
        selectors=[types_pb2.Selector(type="k8s", value="ns:a")],
        federates_with=["spiffe://b.test"],
        dns_names=["web"],
    ).SerializeToString(),
    entry_pb2.BatchCreateEntryResponse(
        results=[
            entry_pb2.BatchCreateEntryResponse.Result(
                status=types_pb2.Status(code=6, message="similar entry already exists")
            )
        ]
    ).SerializeToString(),
)


def parsed(data: bytes, kinds: Sequence[type[Message]]) -> list[Message]:
    """What the bytes are as each of these messages, where they are one."""
    found: list[Message] = []
    for kind in kinds:
        message = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            continue
        found.append(message)
    return found


def _entry(data: bytes) -> None:
    kinds = (
        types_pb2.Entry,
        types_pb2.FederationRelationship,
        types_pb2.Bundle,
        entry_pb2.BatchCreateEntryResponse,
    )
    for message in parsed(data, kinds):
        match message:
            case types_pb2.Entry():
                entry = from_proto(message)
                # A path without a slash, or a domain with one, is none that we ever send.
                assert from_proto(to_proto(entry)).attributes == entry.attributes
                assert from_proto(to_proto(entry)).key.selectors == entry.key.selectors
            case types_pb2.FederationRelationship():
                relationship_from_proto(message)
            case types_pb2.Bundle():
                bundle = bundle_from_proto(message)
                assert bundle.vouches_like(bundle_from_proto(bundle_to_proto(bundle)))
            case entry_pb2.BatchCreateEntryResponse():
                for result in message.results:
                    error = error_of(result.status.code, result.status.message)
                    assert str(error).isprintable()
                    from_proto(result.entry)


ENTRY = Target(
    "spire-answer",
    _entry,
    st.one_of(
        _ENTRIES.map(lambda message: message.SerializeToString()),
        _RESULTS.map(lambda message: message.SerializeToString()),
        mutated(ENTRY_SEEDS, (b"\x0a\xff\xff\xff\xff\x0f", b"\x08\xff", b"\x0b", b"\x12\x00")),
        ANY,
    ),
    seeds=ENTRY_SEEDS,
)
