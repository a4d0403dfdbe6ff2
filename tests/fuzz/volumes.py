"""The kubelet's calls to the node driver: any field, whatever stands in it."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from api.proto import csi_pb2
from registrar.csi.statuses import sendable
from registrar.csi.volume import check_target, check_volume_id, volume_of
from registrar.errors import InvalidField
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated

_KUBELET = Path("/var/lib/kubelet")
_UID = "0b7d8a3e-1c7a-4e6c-9a39-6b3f5f7d1c11"
_TARGET = f"/var/lib/kubelet/pods/{_UID}/volumes/kubernetes.io~csi/svid/mount"
_PREFIX = "csi.storage.k8s.io/"
_TEXTS = st.sampled_from(
    [
        "", "a", "true", "false", "..", ".", "/", "../../etc/shadow", "tls/../../x", "a/b/c/d/e/f",
        "\0", "é" * 300, "文" * 2000, "x" * 3000, "0", "-1", "4294967295", "9" * 400, "0777",
        "0400", "k8s", "files", "workload-api", "classic", "spiffe-files", "all", "one", "..data",
        "spiffe://example.org/a", "a: b, c", "a:" + " " * 5000 + "b",
        "a" + " " * 5000 + "b", "\n" * 50,
        "f: " + "a," * 40, "\u202e", "\x1b[31m", "svid.pem", "svid.pem/x", "0/svid.pem", "%" * 3000,
    ]
)  # fmt: skip
_NAMES = st.sampled_from(
    [
        "mode", "layout", "profile", "certificateFile", "keyFile", "bundleFile", "svids", "hint",
        "federatedBundleFolder", "spiffeID", "uid", "gid", "keyMode", "fileMode", "jwtAudiences",
        "jwtFile", "jwtTokens", "jwtBundles", "jwtBundleFile", "bundleMapFile", "pkcs12File",
        "pkcs12Password",
        "keyfile", "", "x" * 3000, f"{_PREFIX}pod.uid", f"{_PREFIX}ephemeral", f"{_PREFIX}pod.name",
        f"{_PREFIX}serviceAccount.tokens", "é",
    ]
)  # fmt: skip
_TARGETS = st.one_of(
    st.just(_TARGET),
    st.sampled_from(
        [
            "", "/", "/etc", "relative", _TARGET + "/..", _TARGET + "/../../../../../../etc",
            _TARGET.replace(_UID, "other"), _TARGET.replace("/pods/", "//pods/"), f"{_TARGET}\0/x",
            f"/var/lib/kubelet/pods/{_UID}", f"/var/lib/kubelet/pods/{_UID}/", _TARGET + "/" * 9,
            f"/var/lib/kubelet/pods/{_UID}/../{_UID}x/y", "/var/lib/kubelet/pods" + "/a" * 3000,
            f"/var/lib/kubelet/pods/{_UID}/" + "é" * 3000,
        ]
    ),
    _TEXTS,
)  # fmt: skip
_GIVEN = {
    f"{_PREFIX}ephemeral": "true",
    f"{_PREFIX}pod.namespace": "shop",
    f"{_PREFIX}pod.name": "web-1",
    f"{_PREFIX}pod.uid": _UID,
    f"{_PREFIX}serviceAccount.name": "web",
}


def _request(
    volume_id: str, target: str, more: dict[str, str], left_out: list[str], group: str
) -> csi_pb2.NodePublishVolumeRequest:
    context = {name: value for name, value in _GIVEN.items() if name not in left_out}
    return csi_pb2.NodePublishVolumeRequest(
        volume_id=volume_id,
        target_path=target,
        volume_context={**context, **more},
        readonly=True,
        volume_capability=csi_pb2.VolumeCapability(
            mount=csi_pb2.VolumeCapability.MountVolume(volume_mount_group=group)
        ),
    )


REQUESTS = st.builds(
    _request,
    st.one_of(st.just("csi-" + "a" * 64), _TEXTS),
    _TARGETS,
    st.dictionaries(_NAMES, _TEXTS, max_size=4),
    st.lists(st.sampled_from(sorted(_GIVEN)), max_size=1),
    st.one_of(st.just(""), _TEXTS),
)
SEEDS = (
    _request("csi-1", _TARGET, {}, [], "").SerializeToString(),
    _request("csi-1", _TARGET, {"jwtTokens": "a: b, c\nd: e"}, [], "1000").SerializeToString(),
    _request(
        "csi-1", _TARGET, {"svids": "all", "layout": "spiffe-files", "pkcs12File": "a.p12"}, [], ""
    ).SerializeToString(),
)


def run(data: bytes) -> None:
    """What is taken lies in the Pod's own folder, with files below it that nobody may write."""
    request = csi_pb2.NodePublishVolumeRequest()
    try:
        request.ParseFromString(data)
    except DecodeError:
        return
    checks: tuple[Callable[[], str], ...] = (
        lambda: check_volume_id(request.volume_id),
        lambda: check_target(request.target_path, _KUBELET),
    )
    for check in checks:
        try:
            check()
        except InvalidField as error:
            _is_sent_whole_or_cut(str(error))
    try:
        volume = volume_of(
            volume_id=request.volume_id,
            target_path=request.target_path,
            context=request.volume_context,
            mount_group=request.volume_capability.mount.volume_mount_group,
            kubelet_dir=_KUBELET,
        )
    except InvalidField as error:
        _is_sent_whole_or_cut(str(error))
        raise
    parts = PurePosixPath(volume.target).parts
    assert parts[:5] == (*_KUBELET.parts, "pods")
    assert parts[5] == volume.pod.uid
    assert len(parts) > 6
    assert ".." not in parts
    wish, rights = volume.wish, volume.rights(volume.wish)
    assert not rights.file_mode & 0o222
    assert not rights.key_mode & 0o227
    names = [wish.classic.certificate, wish.classic.key, wish.classic.bundle]
    for name in (*names, wish.classic.federated, *(jwt.file for jwt in wish.jwt)):
        assert not {"", ".", "..", "..data"} & set(name.split("/")), name
        assert "\0" not in name


def _is_sent_whole_or_cut(words: str) -> None:
    sent = sendable(words)
    assert sent.removesuffix("…") in words
    encoded = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in sent)
    assert encoded <= 4096 + 9


TARGET = Target(
    "csi-request",
    run,
    st.one_of(
        REQUESTS.map(lambda message: message.SerializeToString()),
        mutated(SEEDS, (b"..", b"/", b"jwtTokens", b": ", b"\x12", b"\x32\xff\xff\x03")),
        ANY,
    ),
    refused=(InvalidField,),
    seeds=SEEDS,
)
