"""What was there before, kept in the folder until somebody goes back: ``migration.json``."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from api.codec import DecodeError, JSONObject, decode_object, encode
from manager.migrate.installation import FIELDS, Place, Unclear
from manager.migrate.objects import KINDS
from manager.migrate.reading import mapping, mappings, number, text, words

NAME = "migration.json"
UNDONE = "undone"
"""Among ``done``: the peer is back, so what is kept is of no use any more."""
SAVED, REPLACED, WRITTEN = "objects-saved", "definitions-replaced", "objects-written"
THERE = (SAVED, REPLACED, WRITTEN)
"""Among ``done`` too: what must not be repeated on the way there, until it was undone."""
OURS_SAVED, DEFINITIONS_BACK = "our-objects-saved", "definitions-back"
BACK = (OURS_SAVED, DEFINITIONS_BACK)
"""The same on the way back."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptObject:
    """One object: ``before`` is None where there was none."""

    kind: str
    namespace: str
    name: str
    before: JSONObject | None = None


@dataclass
class Kept:
    """The peer's container as it was, and each object that was changed or made since.

    ``done`` are the steps that must not be repeated.
    """

    peer: str
    place: Place
    workload: JSONObject
    container: JSONObject
    replicas: int = 1
    config_entry: str = ""
    """The name of its file in its ConfigMap."""
    custom_kinds: bool = False
    """Whether the definitions of the peer's kinds have to be deleted."""
    objects: list[KeptObject] = field(default_factory=list)
    custom: list[JSONObject] = field(default_factory=list)
    """The objects of kinds whose definition had to be deleted."""
    later: list[JSONObject] = field(default_factory=list)
    """Objects of our kinds, before their definition is deleted on the way back."""
    done: list[str] = field(default_factory=list)

    @property
    def is_undone(self) -> bool:
        """Whether the peer is back."""
        return UNDONE in self.done

    def forget(self, *marks: str) -> None:
        """Let steps be done again, for those of the other direction have been done since."""
        self.done = [each for each in self.done if each not in marks]

    def keep(self, kept: KeptObject) -> bool:
        """Keep how an object was, unless it is kept already; tells whether it was not."""
        where = (kept.kind, kept.namespace, kept.name)
        if any((o.kind, o.namespace, o.name) == where for o in self.objects):
            return False
        self.objects.append(kept)
        return True


def read(folder: Path) -> Kept | None:
    """What is kept in a folder; None where nothing is. Raises Unclear for a broken file."""
    path = folder / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unclear(f"{path}: {error.strerror}: let it be readable") from error
    remedy = "name another --output-dir, or put the file back as it was written"
    try:
        document = decode_object(data)
    except DecodeError as error:
        raise Unclear(f"{path} is broken: {error}: {remedy}") from error
    if document.get("version") != _VERSION:
        raise Unclear(f"{path} is of version {document.get('version')}, not {_VERSION}: {remedy}")
    found = _kept(document)
    if not found.container or found.place.kind not in KINDS:
        raise Unclear(f"{path} does not say what ran before: {remedy}")
    return found


def write(folder: Path, kept: Kept) -> None:
    """Write it whole or not at all: it is the only way back. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    draft = path.with_suffix(".new")
    # It holds the arguments and the variables of a container: nobody else need read them.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(encode(_document(kept)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


async def mark(folder: Path, kept: Kept, what: str) -> None:
    """Note at once that a step is done, which must not be repeated. Raises OSError."""
    if what not in kept.done:
        kept.done.append(what)
    await asyncio.to_thread(write, folder, kept)


def _document(kept: Kept) -> JSONObject:
    place = kept.place
    return {
        "version": _VERSION,
        "peer": kept.peer,
        "place": {
            "kind": place.kind,
            "namespace": place.namespace,
            "name": place.name,
            "container": place.container,
            "field": place.field,
        },
        "replicas": kept.replicas,
        "configEntry": kept.config_entry,
        "customKinds": kept.custom_kinds,
        "done": [*kept.done],
        "container": kept.container,
        "workload": kept.workload,
        "objects": [
            {"kind": o.kind, "namespace": o.namespace, "name": o.name, "before": o.before}
            for o in kept.objects
        ],
        "custom": [*kept.custom],
        "later": [*kept.later],
    }


def _kept(document: JSONObject) -> Kept:
    place = mapping(document.get("place"))
    return Kept(
        peer=text(document.get("peer")),
        place=Place(
            text(place.get("kind")),
            text(place.get("namespace")),
            text(place.get("name")),
            text(place.get("container")),
            text(place.get("field")) or FIELDS[0],
        ),
        workload=mapping(document.get("workload")),
        container=mapping(document.get("container")),
        replicas=number(document.get("replicas"), 1),
        config_entry=text(document.get("configEntry")),
        custom_kinds=document.get("customKinds") is True,
        objects=[
            KeptObject(
                text(each.get("kind")),
                text(each.get("namespace")),
                text(each.get("name")),
                mapping(each["before"]) if each.get("before") else None,
            )
            for each in mappings(document.get("objects"))
        ],
        custom=mappings(document.get("custom")),
        later=mappings(document.get("later")),
        done=words(document.get("done")),
    )
