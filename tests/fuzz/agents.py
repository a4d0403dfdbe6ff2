"""What SPIRE's agent sends for workloads: SVIDs with their keys, and tokens."""

import base64
import json

from hypothesis import strategies as st

from api.proto import delegatedidentity_pb2, types_pb2
from registrar.csi.credentials import BrokenSVID, Credentials, vetted
from registrar.csi.jwtsvid import subject_of, why_unusable
from registrar.csi.layout import files_of
from registrar.csi.wish import Wish
from registrar.spire.delegated import JWTSVID, X509SVID
from tests.fuzz.harness import Target
from tests.fuzz.identities import (
    AUTHORITY,
    KEY,
    LEAF,
    LOCKED,
    LONGS,
    STRANGE_VERSION,
    TEXTS,
    WORKLOAD,
    parsed,
)
from tests.fuzz.mutation import ANY, mutated, text_of

_TOKEN = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (b"{}", json.dumps({"sub": WORKLOAD}).encode(), b"x")
)
_SVIDS = st.builds(
    lambda domain, path, chain, key, hint, expires: delegatedidentity_pb2.X509SVIDWithKey(
        x509_svid=types_pb2.X509SVID(
            id=types_pb2.SPIFFEID(trust_domain=domain, path=path),
            cert_chain=chain,
            hint=hint,
            expires_at=expires,
        ),
        x509_svid_key=key,
    ),
    TEXTS,
    TEXTS,
    st.lists(
        st.sampled_from([LEAF, AUTHORITY, STRANGE_VERSION, b"", b"\x30\x80", LEAF[:90]]), max_size=3
    ),
    st.sampled_from([KEY, LOCKED, LEAF, b"", KEY[:30]]),
    TEXTS,
    LONGS,
)
_UPDATES = st.builds(
    lambda svids, names: delegatedidentity_pb2.SubscribeToX509SVIDsResponse(
        x509_svids=svids, federates_with=names
    ),
    st.lists(_SVIDS, max_size=3),
    st.lists(TEXTS, max_size=3),
)
_GOOD = delegatedidentity_pb2.SubscribeToX509SVIDsResponse(
    x509_svids=[
        delegatedidentity_pb2.X509SVIDWithKey(
            x509_svid=types_pb2.X509SVID(
                id=types_pb2.SPIFFEID(trust_domain="example.org", path="/web"),
                cert_chain=[LEAF],
                expires_at=4_000_000_000,
            ),
            x509_svid_key=KEY,
        )
    ],
    federates_with=["spiffe://b.test", "spiffe://../../etc"],
)
SEEDS = (_GOOD.SerializeToString(), _TOKEN.encode())


def _run(data: bytes) -> None:
    """SVIDs that are good become files below the volume, the others a reason; tokens likewise."""
    token = JWTSVID(WORKLOAD, text_of(data), "", 0.0, 1.0)
    assert isinstance(subject_of(data), str)
    assert bool(why_unusable(token)) == (subject_of(text_of(data).encode()) != WORKLOAD)
    for message in parsed(data, (delegatedidentity_pb2.SubscribeToX509SVIDsResponse,)):
        assert isinstance(message, delegatedidentity_pb2.SubscribeToX509SVIDsResponse)
        svids = [
            X509SVID(
                f"spiffe://{found.x509_svid.id.trust_domain}{found.x509_svid.id.path}",
                tuple(found.x509_svid.cert_chain),
                found.x509_svid_key,
                found.x509_svid.hint,
                float(found.x509_svid.expires_at),
            )
            for found in message.x509_svids
        ]
        try:
            usable, why = vetted(svids, (), 1_700_000_000.0)
        except BrokenSVID as error:
            assert str(error)
            continue
        assert (len(usable) == len(svids)) == (not why)
        if usable:
            _files(Credentials(svids=usable, bundles=_bundles(message, usable[0])))


def _bundles(
    message: delegatedidentity_pb2.SubscribeToX509SVIDsResponse, svid: X509SVID
) -> dict[str, tuple[bytes, ...]]:
    own = svid.spiffe_id.removeprefix("spiffe://").partition("/")[0]
    names = [name.removeprefix("spiffe://") for name in message.federates_with]
    return dict.fromkeys([own, *names], (AUTHORITY,))


def _files(credentials: Credentials) -> None:
    for wish in (Wish(), Wish(layout="spiffe-files", all_svids=True)):
        for name in files_of(credentials, wish):
            parts = name.split("/")
            assert not {"", ".", ".."} & set(parts), name
            assert "\0" not in name, name


TARGET = Target(
    "agent-answer",
    _run,
    st.one_of(
        _UPDATES.map(lambda message: message.SerializeToString()),
        mutated(SEEDS, (b"..", b"eyJ", LEAF, KEY)),
        ANY,
    ),
    seeds=SEEDS,
)
