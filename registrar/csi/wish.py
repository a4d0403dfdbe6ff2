"""What a Pod asks for: the values that ``registrar.csi.attributes`` reads from its volume."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["files", "workload-api"]
LayoutName: TypeAlias = Literal["classic", "spiffe-files"]
Profile: TypeAlias = Literal["2026-08", "2026-02"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classic:
    """Names of the classic layout, relative to the volume."""

    certificate: str = "svid.pem"
    key: str = "svid_key.pem"
    bundle: str = "bundle.pem"
    federated: str = "federated"
    """The folder with a bundle for each federated trust domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JWT:
    """A token for these audiences, in this file; ``attribute`` asks for it."""

    audiences: tuple[str, ...]
    file: str = "jwt_svid.token"
    attribute: str = field(default="jwtFile", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PKCS12:
    """The same as a PKCS#12 file. The password keeps nobody out: it stands in the Pod's spec."""

    file: str
    password: str = "changeit"  # noqa: S105 - what Java expects


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a volume is to hold. ``gid`` None: the volume's mount group, else root's.

    ``profile`` is the version of the draft that the layout ``spiffe-files`` follows.
    ``all_svids``: a numbered folder for each; else the one of ``hint`` or ``spiffe_id``,
    else the first.
    """

    mode: Mode = "files"
    layout: LayoutName = "classic"
    profile: Profile = "2026-08"
    classic: Classic = Classic()
    all_svids: bool = False
    hint: str = ""
    spiffe_id: str = ""
    uid: int = 0
    gid: int | None = None
    key_mode: int | None = None
    file_mode: int = 0o444
    jwt: tuple[JWT, ...] = ()
    jwt_bundles: str = ""
    """The file of the own trust domain's JWKS; empty for none."""
    bundle_map: str = ""
    """The file of all trust domains' authorities, by their names; empty for none."""
    pkcs12: PKCS12 | None = None
