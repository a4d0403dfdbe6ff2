"""Whether a folder that Pods see shows what no Pod may see, such as the agent's admin socket.

The settings ask when they are read, the node driver at each publish and now and then, for
links and mounts change while it runs. Every call here blocks.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

_MOST_ENTRIES = 10_000
"""A folder that holds more is none that was made for a socket."""
_MOST_LINKS = 40
"""As many as the kernel follows in one path."""

Identity = tuple[int, int]
"""Device and inode: the same file by whatever path."""


def shown_by(folder: Path, secrets: Mapping[str, Path]) -> str:
    """What a view of the folder would show that is secret, in words; empty for nothing.

    ``secrets`` are paths by the key that names them. Real paths count, not written ones; so
    does everything below the folder, by whatever name: links, hard links, and other mounts of
    the same file or of the folder that it is in.
    """
    root = Path(os.path.realpath(folder))
    places = {name: _places(path) for name, path in secrets.items()}
    for name, found in places.items():
        for place in found:
            if place.is_relative_to(root):
                return f"{root} holds {name}, which is at {place}"
    identities = {
        identity: name
        for name, found in places.items()
        for place in found
        for identity in _identities(place)
    }
    try:
        for number, entry in enumerate(_below(root)):
            if number >= _MOST_ENTRIES:
                return (
                    f"{root} holds more than {_MOST_ENTRIES} files, too many to see that no "
                    "secret is among them"
                )
            why = _why_secret(entry, places, identities)
            if why:
                return why
    except OSError as error:
        return f"{root} cannot be looked through: {error}"
    return ""


def _places(path: Path) -> list[Path]:
    """Where a path leads, link by link: each link may be replaced by the file itself one day."""
    places: list[Path] = []
    for _ in range(_MOST_LINKS):
        parent = Path(os.path.realpath(path.parent))
        path = Path(os.path.normpath(parent / path.name))
        places.append(path)
        try:
            path = parent / path.readlink()
        except (OSError, ValueError):
            break
    return places


def _identities(place: Path) -> Iterator[Identity]:
    """The file itself, and the folder in which it may appear one day."""
    for path in (place, place.parent):
        try:
            found = path.stat()
        except (OSError, ValueError):
            continue
        if path == place or path != Path(path.anchor):
            yield found.st_dev, found.st_ino


def _below(root: Path) -> Iterator[Path]:
    """The folder and everything in it, folders before what they hold; no link is followed."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        yield folder
        try:
            with os.scandir(folder) as entries:
                found = [
                    (Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries
                ]
        except (FileNotFoundError, NotADirectoryError):
            # It has gone meanwhile, or is still to be made.
            continue
        for path, is_folder in found:
            if is_folder:
                waiting.append(path)
            else:
                yield path


def _why_secret(
    path: Path, places: Mapping[str, list[Path]], identities: Mapping[Identity, str]
) -> str:
    """Why one entry of the folder is, or leads to, a secret; empty where it does not."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISLNK(found.st_mode):
        name = identities.get((found.st_dev, found.st_ino), "")
        return f"{path} is {name}, or the folder that it is in, by another name" if name else ""
    target = Path(os.path.realpath(path))
    for name, known in places.items():
        if any(place.is_relative_to(target) for place in known):
            return f"the link {path} leads to {name}"
    return ""
