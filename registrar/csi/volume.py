"""A volume as the kubelet asks for it, and the checks that nothing gets past."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from registrar.csi.attributes import KUBERNETES, is_id, wish_of
from registrar.csi.folder import Rights
from registrar.csi.wish import Wish
from registrar.errors import InvalidField
from registrar.identity.selectors import Selector

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_MAX_ID_LENGTH = 256
_MAX_NAME_LENGTH = 253
"""Characters of a name in Kubernetes."""


class PodInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Whose volume it is, in the kubelet's words."""

    namespace: str
    name: str
    uid: str
    service_account: str

    def selectors(self, node_name: str) -> tuple[Selector, ...]:
        """What entries may select the Pod by, as SPIRE's k8s attestor writes it."""
        return (
            Selector("k8s", f"ns:{self.namespace}"),
            Selector("k8s", f"sa:{self.service_account}"),
            Selector("k8s", f"pod-name:{self.name}"),
            Selector("k8s", f"pod-uid:{self.uid}"),
            Selector("k8s", f"node-name:{node_name}"),
        )


class Volume(msgspec.Struct, frozen=True, rename="camel"):
    """One volume of one Pod; all that is needed to take it up again after a restart."""

    id: str
    target: str
    pod: PodInfo
    attributes: dict[str, str]
    mount_group: int | None = None

    @property
    def name(self) -> str:
        """Its name in the Pod's spec: the kubelet's target ends with it and ``mount``."""
        return self.path.parent.name

    @property
    def path(self) -> Path:
        """Where it is mounted."""
        return Path(self.target)

    @property
    def wish(self) -> Wish:
        """What it is to hold. Raises InvalidField, never for one that was checked before."""
        return wish_of(self.attributes)

    def rights(self, wish: Wish) -> Rights:
        """Who may read its files: its owner, and its group if it has one."""
        gid = self.mount_group if wish.gid is None else wish.gid
        default = 0o400 if gid is None else 0o440
        return Rights(
            uid=wish.uid,
            gid=gid or 0,
            file_mode=wish.file_mode,
            key_mode=default if wish.key_mode is None else wish.key_mode,
        )


def volume_of(
    *,
    volume_id: str,
    target_path: str,
    context: Mapping[str, str],
    mount_group: str,
    kubelet_dir: Path,
) -> Volume:
    """The volume of a request, checked. Raises InvalidField.

    The Pod's uid must stand in the target's path, which only the kubelet chooses: where the
    CSIDriver lacks ``podInfoOnMount``, nobody can pose as another Pod with attributes.
    """
    check_volume_id(volume_id)
    if context.get(f"{KUBERNETES}ephemeral") != "true":
        raise InvalidField(
            "volume_context[csi.storage.k8s.io/ephemeral]",
            context.get(f"{KUBERNETES}ephemeral", ""),
            "only inline ephemeral volumes: write the volume into the Pod's spec",
        )
    pod = PodInfo(
        namespace=_given(context, "pod.namespace"),
        name=_given(context, "pod.name"),
        uid=_given(context, "pod.uid"),
        service_account=_given(context, "serviceAccount.name"),
    )
    if not _UID.fullmatch(pod.uid):
        raise InvalidField(f"volume_context[{KUBERNETES}pod.uid]", pod.uid, "not a uid")
    volume = Volume(
        id=volume_id,
        target=check_target(target_path, kubelet_dir, pod.uid),
        pod=pod,
        attributes={
            name: value for name, value in context.items() if not name.startswith(KUBERNETES)
        },
        mount_group=_group(mount_group),
    )
    wish_of(volume.attributes)
    return volume


def check_volume_id(volume_id: str) -> str:
    """A volume's ID. Raises InvalidField."""
    if not volume_id:
        raise InvalidField("volume_id", "", "it is missing")
    if len(volume_id) > _MAX_ID_LENGTH:
        raise InvalidField("volume_id", volume_id[:64], f"longer than {_MAX_ID_LENGTH} characters")
    if "\0" in volume_id:
        raise InvalidField("volume_id", volume_id, "it holds a zero byte: leave that out")
    return volume_id


def check_target(target: str, kubelet_dir: Path, pod_uid: str = "") -> str:
    """A target below the kubelet's folder of Pods, of that Pod if one is given.

    Raises InvalidField.
    """
    if not target:
        raise InvalidField("target_path", "", "it is missing")
    pods = kubelet_dir / "pods"
    folder = pods / pod_uid if pod_uid else pods
    is_plain = "\0" not in target and target == os.path.normpath(target)
    if not is_plain or not Path(target).is_relative_to(folder) or Path(target) == folder:
        raise InvalidField(
            "target_path",
            target,
            f"not below {folder}: set kubelet_dir to the folder that the kubelet works in",
        )
    return target


def check_no_links(target: str, kubelet_dir: Path) -> None:
    """No link stands in a target below the kubelet's folder of Pods. Raises InvalidField. Blocks.

    The kubelet makes every folder on the way to it itself (MkdirAll) and never a link; its
    own folder may be one.
    """
    pods = kubelet_dir / "pods"
    expected = str(Path(os.path.realpath(pods)) / Path(target).relative_to(pods))
    found = os.path.realpath(target)
    if found != expected:
        raise InvalidField(
            "target_path",
            target,
            f"a link leads to {found}; the kubelet makes none: see who did, and remove it",
        )


def check_record(volume: Volume, kubelet_dir: Path) -> None:
    """As ``volume_of``, for what was remembered: the disk may hold another's words by now.

    Raises InvalidField.
    """
    check_volume_id(volume.id)
    if not _UID.fullmatch(volume.pod.uid):
        raise InvalidField("pod.uid", volume.pod.uid, "not a uid")
    check_target(volume.target, kubelet_dir, volume.pod.uid)
    check_no_links(volume.target, kubelet_dir)
    if volume.mount_group is not None and not is_id(str(volume.mount_group)):
        raise InvalidField("mountGroup", str(volume.mount_group)[:64], "not a group ID")
    wish_of(volume.attributes)


def _given(context: Mapping[str, str], name: str) -> str:
    value = context.get(f"{KUBERNETES}{name}", "")
    if not value:
        raise InvalidField(
            f"volume_context[{KUBERNETES}{name}]",
            "",
            "it is missing: the CSIDriver object must say podInfoOnMount: true",
        )
    if len(value) > _MAX_NAME_LENGTH:
        raise InvalidField(
            f"volume_context[{KUBERNETES}{name}]",
            value[:64],
            f"longer than the {_MAX_NAME_LENGTH} characters of a name",
        )
    return value


def _group(text: str) -> int | None:
    if not text:
        return None
    if not is_id(text):
        raise InvalidField("volume_capability.mount.volume_mount_group", text, "not a group ID")
    return int(text)
