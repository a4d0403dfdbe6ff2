"""A folder of manifests, read whenever something in it changes.

The folder is looked at, not the files: a mounted ConfigMap changes by a swap
of the link ``..data``, which no watch on a file would see. A file that cannot
be read keeps what it last said; a file that is gone takes its objects along.
What is not there counts as absent only once the folder ``is_whole``: an editor
that writes, or a file that moves, must not look like a deletion.
"""

import asyncio
import logging
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api.codec import DecodeError, JSONObject
from api.documents import load_yaml_documents
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})

Expand = Callable[[str], str]
Signature = tuple[int, int, int]
_NOWHERE: Signature = (0, 0, 0)


@dataclass(slots=True)
class _File:
    """What is known of one file: how it looked when it was read, and what it said."""

    signature: Signature
    documents: list[JSONObject] = field(default_factory=list)
    problem: str = ""
    is_unread: bool = False
    """Whether the system refused to read it, which may end without a change of the file."""


class Folder:
    """The manifests of one folder. ``expand`` is applied to the text of each file."""

    def __init__(self, path: Path, *, expand: Expand = lambda text: text) -> None:
        self._path = path
        self._expand = expand
        self._files: dict[str, _File] = {}
        self._changed = False
        self.problem: str | None = "not read yet"
        """Why the folder as a whole cannot be read; None when it can."""

    @property
    def documents(self) -> Mapping[str, list[JSONObject]]:
        """The objects of each file, as last read well; in the order of the names."""
        return {name: self._files[name].documents for name in sorted(self._files)}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong with files, by name."""
        return {name: found.problem for name, found in self._files.items() if found.problem}

    @property
    def is_whole(self) -> bool:
        """Whether every file was read well, and nothing has changed between two looks.

        Only then what is in none of the files is known to be gone.
        """
        return self.problem is None and not self._changed and not self.problems

    async def look(self) -> bool:
        """Read what changed; tells whether anything did, now or in the look before.

        So there is always one look more after a change, in which the folder may be whole.
        """
        before = self._changed
        self._changed = await self._look()
        return self._changed or (before and self.problem is None)

    async def _look(self) -> bool:
        try:
            found = await asyncio.to_thread(self._signatures)
        except OSError as error:
            # Fail static: an unreadable folder is not an empty one.
            problem = f"{self._path}: {error.strerror or error}"
            if self.problem != problem:
                log.warning("cannot read the manifests", extra=kv(error=problem))
            self.problem = problem
            return False
        was_unread, self.problem = self.problem is not None, None
        changed = was_unread
        for name in self._files.keys() - found.keys():
            del self._files[name]
            changed = True
        for name, signature in found.items():
            known = self._files.get(name)
            if known is None or known.signature != signature or known.is_unread:
                changed |= await asyncio.to_thread(self._read, name, signature)
        return changed

    async def run(self, on_change: Callable[[], None]) -> None:
        """Look until cancelled, and call back after each change."""

        async def look() -> None:
            if await self.look():
                on_change()

        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await attempt("manifests", look)

    def _signatures(self) -> dict[str, Signature]:
        found = {}
        for path in self._path.iterdir():
            # Names with a dot in front are the machinery of mounted ConfigMaps.
            if path.name.startswith(".") or path.suffix not in _SUFFIXES:
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                if path.is_symlink():
                    # In the middle of a swap, or for longer: what it stands for is not gone.
                    found[path.name] = _NOWHERE
                continue
            if stat.S_ISREG(status.st_mode):
                found[path.name] = (status.st_ino, status.st_mtime_ns, status.st_size)
        return found

    def _read(self, name: str, signature: Signature) -> bool:
        """Read one file; tells whether that was news."""
        known = self._files.setdefault(name, _File(_NOWHERE))
        is_changed, before = known.signature != signature, known.problem
        known.signature, known.is_unread = signature, False
        try:
            text = (self._path / name).read_text(encoding="utf-8")
            documents = _objects(self._expand(text))
        except (OSError, UnicodeDecodeError, DecodeError) as error:
            known.problem, known.is_unread = str(error), isinstance(error, OSError)
            if is_changed or known.problem != before:
                log.warning(
                    "a manifest cannot be read; what it said before stays",
                    extra=kv(file=name, error=known.problem),
                )
            return is_changed or known.problem != before
        except Exception as error:
            # What nobody foresaw is this file's: the others are read, and told of.
            known.problem = f"{type(error).__name__}: {error}"
            log.exception("unexpected error, going on", extra=kv(part="manifests", file=name))
            return True
        known.documents, known.problem = documents, ""
        log.info("manifest read", extra=kv(file=name, objects=len(documents)))
        return True


def _objects(text: str) -> list[JSONObject]:
    """The objects of a file. Raises DecodeError."""
    if not text.strip():
        raise DecodeError(
            "the file is empty: delete it, or write a comment (#) into it, if it is to say nothing"
        )
    found = []
    for number, document in enumerate(load_yaml_documents(text), start=1):
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            raise DecodeError(f"document {number} is no object: give apiVersion, kind and spec")
        found.append(document)
    return found
