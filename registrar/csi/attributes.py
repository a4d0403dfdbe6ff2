"""What a Pod asks for with the attributes of its volume: untrusted text, checked here.

Names and values come from whoever writes the Pod. File names must not leave
the volume, nor take the names that its atomic swap needs.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from registrar.csi.names import PATH, check_names
from registrar.csi.wish import JWT, PKCS12, Classic, Wish
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_spiffe_id

KUBERNETES = "csi.storage.k8s.io/"
"""What the kubelet adds begins with this; nobody else may set it."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|\.[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}")
_MAX_DEPTH = 4
_MAX_ID = 2**32 - 2
"""The largest uid and gid: the one above stands for none."""
_MOST_AUDIENCES = 16
_LONGEST_SHOWN = 200
_MOST_TEXT = 64 * 1024
"""Characters of all names and values together."""
_COLON = re.compile(r":(?=\s|$)")
_MAX_KEY_MODE = 0o440
_MOST_TOKENS = 16
_MAX_FILE_MODE = 0o444
T = TypeVar("T", bound=str)


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
    _check_size(given)
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
        bundle_map=attributes.file("bundleMapFile"),
        pkcs12=_pkcs12(attributes),
    )
    attributes.check_all_known()
    _check_together(wish, given)
    if wish.mode == "files":
        check_names(wish, {name for name, value in given.items() if value})
    return wish


def _check_size(given: Mapping[str, str]) -> None:
    """Raises InvalidField for more text than any volume needs."""
    size = sum(
        len(name) + len(value) for name, value in given.items() if not name.startswith(KUBERNETES)
    )
    if size > _MOST_TEXT:
        raise InvalidField(
            PATH, f"{size} characters", f"use {_MOST_TEXT} at most, names and values together"
        )


def check_file_name(value: str, *, path: str) -> str:
    """A path below the volume: no way out of it, no name that the volume needs itself.

    Raises InvalidField, naming ``path``.
    """
    parts = value.split("/")
    if len(parts) > _MAX_DEPTH or not all(_NAME.fullmatch(part) for part in parts):
        raise InvalidField(
            path,
            _short(value),
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


def _jwt(attributes: _Attributes) -> tuple[JWT, ...]:
    """The token of jwtAudiences, if any, then those of jwtTokens. Raises InvalidField."""
    written, file = attributes.text("jwtAudiences"), attributes.file("jwtFile", "jwt_svid.token")
    audiences = _audiences(written, "jwtAudiences", [part for part in _parts(written) if part])
    lines = [line.strip() for line in attributes.text("jwtTokens").split("\n") if line.strip()]
    if len(lines) > _MOST_TOKENS:
        raise _wrong("jwtTokens", f"{len(lines)} lines", f"write {_MOST_TOKENS} at most")
    first = (JWT(audiences=audiences, file=file),) if audiences else ()
    return (*first, *_tokens(lines))


def _tokens(lines: Sequence[str]) -> list[JWT]:
    """The tokens that lines ``file: audience, audience`` ask for. Raises InvalidField."""
    found: dict[str, JWT] = {}
    for line in lines:
        # As YAML has it, a blank after the colon: those in a URI are none.
        colon = _COLON.search(line)
        file = line[: colon.start()].rstrip() if colon else line
        parts = _parts(line[colon.end() :]) if colon else []
        if not all(parts) or not parts:
            raise _wrong(
                "jwtTokens",
                line,
                "write 'file: audience, audience' on a line of its own for each file, a blank "
                "after the colon, no audience empty",
            )
        for part in parts:
            if not part.isprintable() or " " in part:
                raise _wrong(
                    "jwtTokens",
                    line,
                    f"the audience {_short(part)!r} has a blank in it: part audiences by "
                    "commas, and give each file a line of its own (block text, 'jwtTokens: |')",
                )
        check_file_name(file, path=_path("jwtTokens"))
        if file in found:
            raise _wrong(
                "jwtTokens", line, f"{file} is there twice: write all its audiences on one line"
            )
        audiences = _audiences(line, "jwtTokens", parts)
        found[file] = JWT(audiences=audiences, file=file, attribute="jwtTokens")
    return list(found.values())


def _parts(written: str) -> list[str]:
    return [part.strip() for part in written.split(",")]


def _audiences(written: str, name: str, parts: Sequence[str]) -> tuple[str, ...]:
    """The audiences, each once. Raises InvalidField for too many."""
    audiences = tuple(dict.fromkeys(parts))
    if len(audiences) > _MOST_AUDIENCES:
        raise _wrong(
            name, written, f"more than {_MOST_AUDIENCES} audiences: part them over several files"
        )
    return audiences


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
    return InvalidField(_path(name), _short(value), remedy)


def _short(value: str) -> str:
    """What of a value goes into a message: one of gRPC is 8 KB at most, or is not told."""
    return value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
