"""The small images: under which names they are there, and what is in them."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from hack.node import debian, product_image, small_images

needs_busybox = pytest.mark.skipif(debian.busybox() is None, reason="no static busybox here")


def test_finds_the_tags_that_manifests_ask_for(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "pod.yaml").write_text(
        "spec:\n  containers:\n  - image: r.example/pause:3.10\n    name: a\n"
        '  - name: b\n    image: "r.example/pause:3.9"\n'
        "  # image: r.example/pause:1\n"
        "  - image: other.example/r.example/pause:2\n"
    )
    found = small_images.tags_in(tmp_path, "r.example/pause")
    assert found == ["r.example/pause:3.10", "r.example/pause:3.9"]


def described(archive: Path) -> tuple[set[str], dict[str, list[str]]]:
    """Return an archive's names, and how its container starts."""
    with tarfile.open(archive) as opened:

        def read(name: str) -> bytes:
            file = opened.extractfile(name)
            assert file is not None
            return file.read()

        manifests = json.loads(read("index.json"))["manifests"]
        manifest = json.loads(read("blobs/" + manifests[0]["digest"].replace(":", "/")))
        config = json.loads(read("blobs/" + manifest["config"]["digest"].replace(":", "/")))
    return {m["annotations"]["io.containerd.image.name"] for m in manifests}, config["config"]


@needs_busybox
@pytest.mark.real("spire")
@pytest.mark.slow
def test_all_images_of_the_manifests_are_there(tmp_path: Path) -> None:
    names = {product_image.PRODUCT}
    starts: dict[str, object] = {}
    for recipe in small_images.recipes():
        recipe.write(tmp_path / recipe.title)
        found, config = described(tmp_path / recipe.title)
        names |= found
        starts[recipe.title] = (config.get("Entrypoint"), config.get("User"))
    assert starts["spire-server"] == (["/opt/spire/bin/spire-server", "run"], "1000:1000")
    assert starts["spire-agent"] == (["/opt/spire/bin/spire-agent", "run"], "0:0")
    assert starts["oidc-discovery-provider"] == (
        ["/opt/spire/bin/oidc-discovery-provider"],
        "1000:1000",
    )
    asked = re.compile(r"^[\s-]*image:\s*([\w./-]+)(:[\w.-]+)?$", re.MULTILINE)
    for path in small_images.CONFIG.glob("**/*.yaml"):
        for image, tag in asked.findall(path.read_text()):
            # kustomize gives our own image its tag.
            full = image if "/" in image else f"docker.io/library/{image}"
            assert f"{full}{tag or ':dev'}" in names, path
