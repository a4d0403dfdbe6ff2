"""Programs out of Debian's packages, unpacked into the user's cache and not installed.

Nothing starts by itself then, and nobody needs to be root.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.compilers import Progress, ToolError

_SECONDS = 600
# Whoever is root may be told by apt to write as a user who cannot write here.
_DOWNLOAD = ("apt-get", "-o", "APT::Sandbox::User=root", "download")


def unpack(
    package: str,
    target: Path,
    progress: Progress,
    *,
    names: Callable[[], Sequence[str]] | None = None,
) -> None:
    """Have a package, or those that `names` gives in its place, unpacked in the folder `target`.

    `names` is asked again after the lists of packages were fetched: a fresh machine has none.

    Raises:
        ToolError: this machine has no apt-get, or the package could not be had.

    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolError(f"no {package} here, and no apt-get to fetch Debian's")
    progress(f"fetching Debian's package {package}")
    wanted = names or (lambda: [package])
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        folder = Path(made)
        try:
            run([*_DOWNLOAD, *wanted()], folder)
        except ToolError:
            run(["apt-get", "update"], folder)
            run([*_DOWNLOAD, *wanted()], folder)
        whole = folder / "whole"
        for file in folder.glob("*.deb"):
            run(["dpkg-deb", "-x", str(file), str(whole)], folder)
        # Complete or not there at all; another process may have been quicker.
        if not target.exists():
            whole.rename(target)


def run(command: Sequence[str], folder: Path) -> str:
    """Run one of Debian's tools; gives what it writes. Raises ToolError."""
    finished = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if finished.returncode:
        said = (finished.stdout + finished.stderr)[-2000:]
        raise ToolError(f"{' '.join(command)} failed:\n{said}")
    return finished.stdout
