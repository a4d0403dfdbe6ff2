"""A headless Chromium, to see pages as a reader does: this machine's, else Debian's package.

The package and the libraries that this machine lacks are unpacked into the user's cache, not
installed: nothing starts by itself, and nobody needs to be root.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from hack import debianpackage
from hack.compilers import Progress, ToolError, cache_folder

_PACKAGE = "chromium-headless-shell"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_SECONDS = 120

Scheme = Literal["light", "dark"]
_SCHEMES: dict[Scheme, str] = {"dark": "0", "light": "1"}
"""Chromium's numbers of what a reader prefers."""


def found() -> Path | None:
    """The program that is here; None when there is none."""
    for name in _NAMES:
        here = shutil.which(name)
        if here is not None:
            return Path(here)
    program = _folder() / "usr/lib/chromium" / _PACKAGE
    return program if program.exists() else None


def ensure(progress: Progress) -> Path:
    """Return the program, after fetching Debian's package if there is none.

    Raises:
        ToolError: this machine has no apt-get, or the package could not be had.

    """
    program = found()
    if program is not None:
        return program
    debianpackage.unpack(_PACKAGE, _folder(), progress, names=_packages)
    program = found()
    if program is None:
        raise ToolError(f"Debian's package {_PACKAGE} holds no program that is known here")
    return program


def picture(
    program: Path, url: str, target: Path, *, scheme: Scheme, size: tuple[int, int] = (1200, 900)
) -> None:
    """Write what a reader sees as a PNG. Raises ToolError."""
    width, height = size
    _browse(program, scheme, f"--screenshot={target}", f"--window-size={width},{height}", url)
    if not target.exists():
        raise ToolError(f"Chromium has made no picture of {url}")


def document(program: Path, url: str, *, scheme: Scheme = "light") -> str:
    """The page as Chromium understands it, as HTML. Raises ToolError."""
    return _browse(program, scheme, "--dump-dom", url)


def _browse(program: Path, scheme: Scheme, *arguments: str) -> str:
    # Each machine's kind has its own folder of libraries, and some have one below it.
    libraries = sorted({str(found.parent) for found in _folder().glob("usr/lib/**/*.so*")})
    path = os.pathsep.join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(os.pathsep)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            str(program),
            "--headless",
            # Who runs this as root, as in a container, has no other user for a sandbox. It opens
            # our own pages alone.
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
            *arguments,
        ]
        environment = os.environ | {"LD_LIBRARY_PATH": path, "HOME": profile}
        finished = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if finished.returncode:
        raise ToolError(f"Chromium failed:\n{finished.stderr[-2000:]}")
    return finished.stdout


def _packages() -> list[str]:
    """The package, and of what it needs those that this machine lacks."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", _PACKAGE]
    lines = debianpackage.run(command, Path.cwd()).splitlines()
    return [line.split(" ")[1] for line in lines if line.startswith("Inst ")]


def _folder() -> Path:
    return cache_folder() / "tools" / "debian-chromium"
