"""The names of the files that a volume is to have, and whether two of them clash. Pure."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from registrar.csi.wish import Profile, Wish
from registrar.errors import InvalidField

PATH = "spec.volumes[].csi.volumeAttributes"

_PROFILES: dict[Profile, tuple[str, str]] = {
    # spiffe/spiffe pull request 376, its text of August 2026.
    "2026-08": ("credential-bundle.private-key.pem", ".spiffe-trust-bundle.pem"),
    # The same, as it was proposed in February 2026.
    "2026-02": ("credential-bundle.pem", ".trust-bundle.pem"),
}
"""Names of the SPIFFE Filesystem Delivery draft by version: credentials, the end of bundles'."""
_NUMBER = re.compile("0|[1-9][0-9]*")


class _Name(NamedTuple):
    """A file, or a folder for bundles whose names nobody knows yet; ``attribute`` asks for it."""

    attribute: str
    path: str
    is_folder: bool = False


def credential_file(wish: Wish) -> str:
    """The draft's one file of key and chain."""
    return _PROFILES[wish.profile][0]


def trust_file(wish: Wish, domain: str) -> str:
    """The draft's file of a trust domain's bundle."""
    return domain + _PROFILES[wish.profile][1]


def certificate_file(wish: Wish) -> str:
    """The file in which the first SVID's certificate comes first among certificates."""
    folder = "0/" if wish.all_svids else ""
    return folder + (
        wish.classic.certificate if wish.layout == "classic" else credential_file(wish)
    )


def check_names(wish: Wish, given: AbstractSet[str]) -> None:
    """No two files have the same name, nor one that of another's folder. Raises InvalidField.

    ``given`` are the attributes that the Pod has: of two that clash one of them is blamed.
    """
    each, shared = list(_of_each_svid(wish)), list(_of_volume(wish))
    if wish.all_svids:
        _check(shared, given)
        shared = [inner for name in shared for inner in _in_numbered(name)]
    _check([*each, *shared], given)
    if wish.layout == "spiffe-files":
        end = _PROFILES[wish.profile][1]
        for name in (*each, *shared):
            if not name.is_folder and name.path.partition("/")[0].endswith(end):
                raise _clash(name, f"in the layout spiffe-files names in {end} are for bundles")


def _of_each_svid(wish: Wish) -> Iterator[_Name]:
    """What each SVID has; with ``all_svids`` in a numbered folder."""
    if wish.layout == "classic":
        yield _Name("certificateFile", wish.classic.certificate)
        yield _Name("keyFile", wish.classic.key)
    else:
        yield _Name("layout", credential_file(wish))
    for jwt in wish.jwt:
        yield _Name(jwt.attribute, jwt.file)
    if wish.pkcs12 is not None:
        yield _Name("pkcs12File", wish.pkcs12.file)


def _of_volume(wish: Wish) -> Iterator[_Name]:
    """What is there once."""
    if wish.layout == "classic":
        yield _Name("bundleFile", wish.classic.bundle)
    if wish.jwt_bundles:
        yield _Name("jwtBundleFile", wish.jwt_bundles)
    if wish.bundle_map:
        yield _Name("bundleMapFile", wish.bundle_map)
    if wish.layout == "classic" or wish.jwt_bundles:
        yield _Name("federatedBundleFolder", wish.classic.federated, is_folder=True)


def _in_numbered(name: _Name) -> Iterator[_Name]:
    """The name as it is seen within the numbered folder that it lies in, if it lies in one."""
    first, _, rest = name.path.partition("/")
    if not _NUMBER.fullmatch(first):
        return
    if rest:
        yield name._replace(path=rest)
    elif not name.is_folder:
        raise _clash(name, "with svids: all numbers are the folders of SVIDs")


def _check(names: Sequence[_Name], given: AbstractSet[str]) -> None:
    before: list[_Name] = []
    for name in sorted(names, key=lambda name: name.attribute in given - {"layout"}):
        for other in before:
            if _is_taken(name, other) or _is_taken(other, name):
                raise _clash(
                    name,
                    f"another file has this name, or that of its folder: {other.path}, "
                    f"{other.attribute}",
                )
        before.append(name)


def _is_taken(name: _Name, other: _Name) -> bool:
    """Whether the other is a file that stands where the name, or a folder of it, should."""
    return not other.is_folder and (
        name.path == other.path or name.path.startswith(f"{other.path}/")
    )


def _clash(name: _Name, why: str) -> InvalidField:
    return InvalidField(f"{PATH}.{name.attribute}", name.path, f"{why}: give it another name")
