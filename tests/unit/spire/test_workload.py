"""Reading what the Workload API sends."""

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from api.proto import workload_pb2
from devcluster.spire.authority import Authority
from registrar.spire.relay import RefusedPeerError, client_context
from registrar.spire.workload import NoIdentityError, X509Identity, identity_of

OURS, THEIRS = Authority("example.org"), Authority("other.test")
SVID = OURS.issue("spiffe://example.org/registrar")
LOCKED_KEY = SVID.key.private_bytes(
    Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


def response() -> workload_pb2.X509SVIDResponse:
    return workload_pb2.X509SVIDResponse(
        svids=[
            workload_pb2.X509SVID(
                spiffe_id=SVID.spiffe_id,
                x509_svid=SVID.certificate_der + OURS.certificate_der,
                x509_svid_key=SVID.key_der,
                bundle=OURS.certificate_der * 2,
            )
        ],
        federated_bundles={"spiffe://other.test": THEIRS.certificate_der},
    )


def test_the_first_svid_is_the_default() -> None:
    message = response()
    message.svids.add(spiffe_id="spiffe://example.org/second")
    identity = identity_of(message, "example.org")
    assert identity.spiffe_id == SVID.spiffe_id
    assert identity.chain == (SVID.certificate_der, OURS.certificate_der)
    assert identity.authorities == (OURS.certificate_der, OURS.certificate_der)


def test_servers_of_another_trust_domain_are_believed_by_its_federated_bundle() -> None:
    assert identity_of(response(), "other.test").authorities == (THEIRS.certificate_der,)
    assert identity_of(response(), "third.test").authorities == ()


@pytest.mark.parametrize(
    "message",
    [
        None,
        workload_pb2.X509SVIDResponse(),
        workload_pb2.X509SVIDResponse(svids=[workload_pb2.X509SVID(spiffe_id="spiffe://a.test/b")]),
    ],
    ids=["end", "empty", "no-certificate"],
)
def test_a_message_without_svid_is_no_identity(
    message: workload_pb2.X509SVIDResponse | None,
) -> None:
    with pytest.raises(NoIdentityError):
        identity_of(message, "example.org")


@pytest.mark.parametrize(
    "identity",
    [
        X509Identity("spiffe://a.test/b", (SVID.certificate_der,), SVID.key_der, ()),
        X509Identity(
            "spiffe://a.test/b", (SVID.certificate_der,), b"no key", (OURS.certificate_der,)
        ),
        X509Identity("spiffe://a.test/b", (SVID.certificate_der,), SVID.key_der, (b"0\x03abc",)),
        X509Identity(
            "spiffe://a.test/b", (SVID.certificate_der,), LOCKED_KEY, (OURS.certificate_der,)
        ),
        X509Identity("spiffe://a.test/b", (b"0\x03abc",), SVID.key_der, (OURS.certificate_der,)),
    ],
    ids=["no-authorities", "no-key", "no-authority", "key-with-passphrase", "no-certificate"],
)
def test_what_cannot_be_used_makes_no_connection(identity: X509Identity) -> None:
    with pytest.raises((RefusedPeerError, OSError)):
        client_context(identity)
