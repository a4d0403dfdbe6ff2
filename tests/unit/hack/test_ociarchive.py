"""What other programs find in the archives of images that we write."""

import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from hack.node.ociarchive import Image, Layer, description_digest, write

IMAGE = Image(
    ("docker.io/library/one:1", "registry.example/two:2"),
    entrypoint=("/bin/tool", "run"),
    command=("-v",),
    environment={"PATH": "/bin"},
    user="1000:1000",
    folder="/data",
)


def a_layer() -> Layer:
    layer = Layer()
    layer.file("/bin/tool", b"#!/bin/sh\n", 0o755)
    layer.link("/bin/sh", "tool")
    layer.folder("/tmp", 0o1777)
    layer.folder("/data", owner=1000)
    return layer


def written(folder: Path, image: Image, layer: Layer) -> dict[str, bytes]:
    archive = folder / "image.tar"
    write(archive, image, layer.fill)
    members = {}
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            file = opened.extractfile(member)
            assert file is not None
            members[member.name] = file.read()
    return members


def blob(members: dict[str, bytes], descriptor: dict[str, str]) -> bytes:
    return members["blobs/" + descriptor["digest"].replace(":", "/")]


def test_has_every_blob_under_its_digest_with_its_size(tmp_path: Path) -> None:
    members = written(tmp_path, IMAGE, a_layer())
    blobs = {name: content for name, content in members.items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    for name, content in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    manifest_of = json.loads(members["index.json"])["manifests"][0]
    manifest = json.loads(blob(members, manifest_of))
    for descriptor in (manifest_of, manifest["config"], *manifest["layers"]):
        assert len(blob(members, descriptor)) == descriptor["size"]


def test_is_known_by_all_of_its_names(tmp_path: Path) -> None:
    manifests = json.loads(written(tmp_path, IMAGE, a_layer())["index.json"])["manifests"]
    assert len({manifest["digest"] for manifest in manifests}) == 1
    for key in ("io.containerd.image.name", "org.opencontainers.image.ref.name"):
        assert [manifest["annotations"][key] for manifest in manifests] == [*IMAGE.names]


def test_says_how_the_container_starts(tmp_path: Path) -> None:
    members = written(tmp_path, IMAGE, a_layer())
    manifest = json.loads(blob(members, json.loads(members["index.json"])["manifests"][0]))
    config = json.loads(blob(members, manifest["config"]))
    assert config["config"] == {
        "Entrypoint": ["/bin/tool", "run"],
        "Cmd": ["-v"],
        "Env": ["PATH=/bin"],
        "User": "1000:1000",
        "WorkingDir": "/data",
    }
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


def test_keeps_modes_owners_and_links(tmp_path: Path) -> None:
    members = written(tmp_path, IMAGE, a_layer())
    manifest = json.loads(blob(members, json.loads(members["index.json"])["manifests"][0]))
    with tarfile.open(fileobj=io.BytesIO(blob(members, manifest["layers"][0]))) as layer:
        found = {entry.name: entry for entry in layer.getmembers()}
    assert [*found] == ["bin", "bin/sh", "bin/tool", "data", "tmp"]
    assert found["bin"].isdir()
    assert found["bin/tool"].mode == 0o755
    assert found["bin/sh"].linkname == "tool"
    assert found["tmp"].mode == 0o1777
    assert (found["data"].uid, found["data"].gid) == (1000, 1000)


def test_a_folder_keeps_what_was_said_of_it_when_a_file_comes_into_it(tmp_path: Path) -> None:
    layer = Layer()
    layer.folder("/data", 0o700, owner=1000)
    layer.file("/data/file", b"")
    members = written(tmp_path, IMAGE, layer)
    manifest = json.loads(blob(members, json.loads(members["index.json"])["manifests"][0]))
    with tarfile.open(fileobj=io.BytesIO(blob(members, manifest["layers"][0]))) as opened:
        assert opened.getmember("data").mode == 0o700


def test_the_same_description_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path, IMAGE, a_layer()) == written(tmp_path, IMAGE, a_layer())


@pytest.mark.parametrize(
    ("path", "content", "mode", "owner"),
    [
        pytest.param("/bin/tool2", b"x", 0o755, 0, id="path"),
        pytest.param("/bin/tool", b"y", 0o755, 0, id="content"),
        pytest.param("/bin/tool", b"x", 0o700, 0, id="mode"),
        pytest.param("/bin/tool", b"x", 0o755, 7, id="owner"),
    ],
)
def test_the_digest_tells_layers_apart(path: str, content: bytes, mode: int, owner: int) -> None:
    first, second = Layer(), Layer()
    first.file("/bin/tool", b"x", 0o755)
    second.file(path, content, mode, owner)
    assert first.digest() != second.digest()


def test_the_digest_tells_images_apart() -> None:
    other = dataclasses.replace(IMAGE, names=(*IMAGE.names, "docker.io/library/three:3"))
    assert description_digest(IMAGE, "x") != description_digest(other, "x")
    assert description_digest(IMAGE, "x") != description_digest(IMAGE, "y")
    assert description_digest(IMAGE, "x") == description_digest(dataclasses.replace(IMAGE), "x")
