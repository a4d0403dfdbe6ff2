"""What a Pod asks for with the attributes of its volume: untrusted text, checked here.

Names and values come from whoever writes the Pod. File names must not leave
the volume, nor take the names that its atomic swap needs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias, TypeVar

from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_spiffe_id

Mode: TypeAlias = Literal["files", "workload-api"]
LayoutName: TypeAlias = Literal["classic", "spiffe-files"]
Profile: TypeAlias = Literal["2026-08", "2026-02"]

KUBERNETES = "csi.storage.k8s.io/"
"""What the kubelet adds begins with this; nobody else may set it."""

PATH = "spec.volumes[].csi.volumeAttributes"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|\.[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}")
_MAX_DEPTH = 4
_MAX_ID = 2**32 - 2
"""The largest uid and gid: the one above stands for none."""
_MOST_AUDIENCES = 16
_MAX_KEY_MODE = 0o440
_MAX_FILE_MODE = 0o444
T = TypeVar("T", bound=str)


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
    """A token for these audiences, in this file."""

    audiences: tuple[str, ...]
    file: str = "jwt_svid.token"


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
    file_mode: int = _MAX_FILE_MODE
    jwt: JWT | None = None
    jwt_bundles: str = ""
    """The file of the own trust domain's JWKS; empty for none."""
    pkcs12: PKCS12 | None = None


class _Attributes:
    """Looks attributes up, each once; what nobody asked for is unknown."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = {
            name: value for name, value in given.items() if not name.startswith(KUBERNETES)
        }
        self._known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        self._known.add(name)
        return self._given.get(name, "") or default

    def choice(self, name: str, choices: tuple[T, ...]) -> T:
        """One of the choices, the first by default. Raises InvalidField."""
        value = self.text(name, choices[0])
        for choice in choices:
            if value == choice:
                return choice
        raise _wrong(name, value, f"write {' or '.join(choices)}")

    def file(self, name: str, default: str = "") -> str:
        value = self.text(name, default)
        return check_file_name(value, path=_path(name)) if value else ""

    def number(self, name: str) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not is_id(value):
            raise _wrong(name, value, f"write a number from 0 to {_MAX_ID}, in decimal")
        return int(value)

    def mode(self, name: str, most: int) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch("0?[0-7]{3}", value) or int(value, 8) & ~most:
            raise _wrong(name, value, f"write {most:04o} or stricter, in octal")
        return int(value, 8)

    def check_all_known(self) -> None:
        """Raises InvalidField for an attribute that there is not."""
        for name, value in sorted(self._given.items()):
            if name not in self._known:
                near = get_close_matches(name, sorted(self._known), n=1)
                remedy = f"; did you mean {near[0]}?" if near else ""
                raise _wrong(name, value, f"unknown attribute{remedy}")


def is_id(text: str) -> bool:
    """Whether a text is the number of a user or group, in decimal."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX_ID


def wish_of(given: Mapping[str, str]) -> Wish:
    """The wish behind volume attributes. Raises InvalidField for the first thing wrong."""
    attributes = _Attributes(given)
    classic = Classic()
    wish = Wish(
        mode=attributes.choice("mode", ("files", "workload-api")),
        layout=attributes.choice("layout", ("classic", "spiffe-files")),
        profile=attributes.choice("profile", ("2026-08", "2026-02")),
        classic=Classic(
            certificate=attributes.file("certificateFile", classic.certificate),
            key=attributes.file("keyFile", classic.key),
            bundle=attributes.file("bundleFile", classic.bundle),
            federated=attributes.file("federatedBundleFolder", classic.federated),
        ),
        all_svids=attributes.choice("svids", ("one", "all")) == "all",
        hint=attributes.text("hint"),
        spiffe_id=_spiffe_id(attributes.text("spiffeID")),
        uid=attributes.number("uid") or 0,
        gid=attributes.number("gid"),
        key_mode=attributes.mode("keyMode", _MAX_KEY_MODE),
        file_mode=_or(attributes.mode("fileMode", _MAX_FILE_MODE), _MAX_FILE_MODE),
        jwt=_jwt(attributes),
        jwt_bundles=_jwt_bundles(attributes),
        pkcs12=_pkcs12(attributes),
    )
    attributes.check_all_known()
    _check_together(wish, given)
    return wish


def check_file_name(value: str, *, path: str) -> str:
    """A path below the volume: no way out of it, no name that the volume needs itself.

    Raises InvalidField, naming ``path``.
    """
    parts = value.split("/")
    if len(parts) > _MAX_DEPTH or not all(_NAME.fullmatch(part) for part in parts):
        raise InvalidField(
            path,
            value,
            "write a name below the volume such as tls/cert.pem: at most "
            f"{_MAX_DEPTH} parts of letters, digits, '.', '-' and '_', none of which begins with "
            "two dots or a dash",
        )
    return value


def _check_together(wish: Wish, given: Mapping[str, str]) -> None:
    """Whether the parts fit each other. Raises InvalidField."""
    if wish.hint and wish.spiffe_id:
        raise _wrong("hint", wish.hint, "not together with spiffeID: keep one of them")
    if wish.all_svids and (wish.hint or wish.spiffe_id):
        raise _wrong("svids", "all", "not together with hint or spiffeID")
    if wish.layout == "spiffe-files":
        for name in ("certificateFile", "keyFile", "bundleFile", "federatedBundleFolder"):
            if given.get(name):
                raise _wrong(name, given[name], "the layout spiffe-files has names of its own")
    if wish.mode == "workload-api":
        for name, value in sorted(given.items()):
            if name != "mode" and value and not name.startswith(KUBERNETES):
                raise _wrong(name, value, "it means nothing in the mode workload-api: remove it")


def _jwt(attributes: _Attributes) -> JWT | None:
    written, file = attributes.text("jwtAudiences"), attributes.file("jwtFile", "jwt_svid.token")
    audiences = tuple(dict.fromkeys(part.strip() for part in written.split(",") if part.strip()))
    if len(audiences) > _MOST_AUDIENCES:
        raise _wrong("jwtAudiences", written, f"more than {_MOST_AUDIENCES}")
    return JWT(audiences=audiences, file=file) if audiences else None


def _jwt_bundles(attributes: _Attributes) -> str:
    file = attributes.file("jwtBundleFile", "jwt_bundle.json")
    return file if attributes.choice("jwtBundles", ("false", "true")) == "true" else ""


def _pkcs12(attributes: _Attributes) -> PKCS12 | None:
    file = attributes.file("pkcs12File")
    password = attributes.text("pkcs12Password", "changeit")
    return PKCS12(file=file, password=password) if file else None


def _spiffe_id(value: str) -> str:
    return check_spiffe_id(value, path=_path("spiffeID")) if value else ""


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _path(name: str) -> str:
    return f"{PATH}.{name}"


def _wrong(name: str, value: str, remedy: str) -> InvalidField:
    return InvalidField(_path(name), value, remedy)
