"""Makes all container images that the node starts with, once for each state of their contents.

Nothing comes from a registry of images. As a script it prints the paths of the archives.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[2])]

from hack.compilers import (  # noqa: E402 - needs the line above
    Progress,
    ToolError,
    cache_folder,
)
from hack.node import (  # noqa: E402 - as above
    archives,
    debian,
    product_image,
    small_images,
)


def build(progress: Progress) -> tuple[Path, ...]:
    """Return the OCI archives of all images, after making those that are not there yet.

    Two runs at the same time build once: the second waits for the first.

    Raises:
        ToolError: something that they are made of is missing, or a build failed.

    """
    if os.geteuid() != 0:
        raise ToolError("the images need root: debootstrap and buildah mount and change owners")
    debian.ensure(progress, install=False)
    folder = cache_folder() / "images"
    with archives.locked(folder, progress):
        recipes = [
            *small_images.recipes(),
            product_image.recipe(cache_folder() / "buildah", progress),
            product_image.recipe(cache_folder() / "buildah", progress, target="workloads"),
        ]
        return tuple(archives.kept(folder, recipe, progress) for recipe in recipes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/node/images.py", description="Makes the node's images, unless they are there."
    )
    parser.parse_args(arguments)
    try:
        for path in build(lambda line: print(line, file=sys.stderr, flush=True)):
            print(path)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
