"""Writes container images as OCI archives: one tar file that holds an image of one layer.

`ctr images import` and `buildah pull` both take such a file. The layer is not compressed: the file
never leaves the machine, and unpacking is what the import waits for. Times and owners come from
the description alone, so the same description gives the same bytes.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

FORMAT = "1"
"""Raised when a change of this file gives another archive from the same description."""

_MEDIA_TYPE = "application/vnd.oci.image"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}

Fill = Callable[[tarfile.TarFile], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """What an image is called and how its container starts; `user` is "UID:GID", empty for root.

    Names are fully qualified: the kubelet asks for docker.io/library/x where a Pod says x.
    """

    names: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user: str = ""
    folder: str = ""

    def config(self) -> dict[str, object]:
        """Return the part of the image's configuration that a runtime acts on."""
        values: dict[str, object] = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "User": self.user,
            "WorkingDir": self.folder,
        }
        return {name: value for name, value in values.items() if value}


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """One member of a layer: a folder, a file (with a `source`), or a symbolic link."""

    mode: int
    owner: int
    source: Path | bytes | None = None
    target: str = ""


class Layer:
    """The files of a small image, described before they are written. Paths are absolute."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a folder; what lies above it is added for root when it is not there yet."""
        self._add(path, _Entry(mode, owner))

    def file(self, path: str, source: Path | bytes, mode: int = 0o644, owner: int = 0) -> None:
        """Add a file with the contents of another one, or with these bytes."""
        self._add(path, _Entry(mode, owner, source))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(path, _Entry(0o777, 0, target=target))

    def digest(self) -> str:
        """Return a digest of everything that this layer holds."""
        digest = hashlib.sha256()
        for path, entry in sorted(self._entries.items()):
            with _opened(entry) as source:
                content = hashlib.file_digest(source, "sha256").hexdigest() if source else None
            described = [path, entry.mode, entry.owner, entry.target, content]
            digest.update(json.dumps(described).encode())
        return digest.hexdigest()

    def fill(self, layer: tarfile.TarFile) -> None:
        """Write all of it, folders before what is in them."""
        for path, entry in sorted(self._entries.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.mode = entry.mode
            member.uid = member.gid = entry.owner
            if entry.target:
                member.type = tarfile.SYMTYPE
                member.linkname = entry.target
            with _opened(entry) as source:
                if source is not None:
                    member.size = source.seek(0, os.SEEK_END)
                    source.seek(0)
                elif not entry.target:
                    member.type = tarfile.DIRTYPE
                layer.addfile(member, source)

    def _add(self, path: str, entry: _Entry) -> None:
        parent = os.path.dirname(path)  # noqa: PTH120 - a path in the image, not here
        if parent != "/" and parent not in self._entries:
            self.folder(parent)
        self._entries[path] = entry


def description_digest(image: Image, contents: str) -> str:
    """Return what tells the archive of this image and these contents from all others."""
    described = [FORMAT, image.names, image.config(), _architecture(), contents]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def write(archive: Path, image: Image, fill: Fill) -> None:
    """Write the archive of an image; `fill` puts the files into its layer."""
    with tempfile.TemporaryFile(dir=archive.parent) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as layer:
            fill(layer)
        with tarfile.open(archive, "w") as output:
            _write_members(output, image, file)


def _write_members(output: tarfile.TarFile, image: Image, layer: io.BufferedRandom) -> None:
    size = layer.seek(0, os.SEEK_END)
    layer.seek(0)
    layer_digest = f"sha256:{hashlib.file_digest(layer, 'sha256').hexdigest()}"
    layer.seek(0)
    _add(output, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    # Not compressed, the layer is its own "diff": both digests are one.
    config = _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": image.config(),
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created_by": "hack/node"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA_TYPE}.manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(config), len(config)),
            "layers": [_descriptor("layer.v1.tar", layer_digest, size)],
        }
    )
    described = _descriptor("manifest.v1+json", _digest(manifest), len(manifest))
    named = [described | {"annotations": _annotations(name)} for name in image.names]
    _add(output, "index.json", _json({"schemaVersion": 2, "manifests": named}))
    for blob in (config, manifest):
        _add(output, _blob_path(_digest(blob)), blob)
    member = tarfile.TarInfo(_blob_path(layer_digest))
    member.size = size
    output.addfile(member, layer)


@contextlib.contextmanager
def _opened(entry: _Entry) -> Iterator[io.BytesIO | io.BufferedReader | None]:
    if entry.source is None:
        yield None
        return
    content = entry.source
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        yield file


def _annotations(name: str) -> dict[str, str]:
    """Return the name as containerd wants it, and as everybody else does."""
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"{_MEDIA_TYPE}.{kind}", "digest": digest, "size": size}


def _architecture() -> str:
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add(output: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    output.addfile(member, io.BytesIO(content))
