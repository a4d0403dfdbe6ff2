"""Builds the image twice, in different folders and without any layer of the other, and compares.

The files of the two checkouts differ in their modes and times, as those of two people do. The base
is the stand-in that `make cluster` uses; with the published one it is the same Dockerfile.
Called by ``make image-twice``, as root; it takes two to three minutes.
"""

import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from hack.compilers import Progress, ToolError, cache_folder
from hack.node import archives, images, product_image


def main() -> int:
    """Build and compare; return 1 where the images differ."""

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        # The stand-in is made with the node's images.
        images.build(say)
        first, second = _digests(say)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    if first != second:
        print(f"two builds of one checkout differ: {first} and {second}", file=sys.stderr)
        return 1
    say(f"both are {first}")
    return 0


def _digests(progress: Progress) -> tuple[str, str]:
    """The digests of the image from two checkouts that differ in all that must not matter."""
    found: list[str] = []
    with archives.locked(cache_folder() / "images", progress):
        for mode, seconds in ((0o600, 1_600_000_000), (0o664, 1_650_000_000)):
            begun = time.monotonic()
            with tempfile.TemporaryDirectory(prefix=f"twice-{len(found)}-") as name:
                checkout, archive = Path(name, "checkout"), Path(name, "image.tar")
                _copy(checkout, mode, seconds)
                product_image.build_anew(cache_folder() / "buildah", checkout, archive)
                found.append(_digest(archive))
            progress(f"{found[-1]}, built in {time.monotonic() - begun:.0f} s")
    first, second = found
    return first, second


def _copy(folder: Path, mode: int, seconds: int) -> None:
    for path in product_image.copied():
        target = folder / path.relative_to(product_image.CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(mode)
        os.utime(target, (seconds, seconds))


def _digest(archive: Path) -> str:
    """The digest of an image's manifest, which names its configuration and its layers."""
    with tarfile.open(archive) as members:
        index = members.extractfile("index.json")
        if index is None:
            raise ToolError(f"{archive} has no index.json")
        digest: str = json.load(index)["manifests"][0]["digest"]
        return digest


if __name__ == "__main__":
    sys.exit(main())
