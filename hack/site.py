"""Builds the docs as a site, with every link checked: MkDocs, from a lock and a cache of its own.

Called by ``make site``; ``--serve`` shows it on loopback and follows edits.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack.compilers import MODULES, ToolError, cache_folder, install_wheels  # noqa: E402 - as above

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = MODULES / "site.lock"
SITE = CHECKOUT / "build" / "site"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or show it; returns MkDocs' exit code, or 1 where MkDocs cannot be had."""
    parser = argparse.ArgumentParser(prog="hack/site.py", description="Build the docs as a site.")
    parser.add_argument(
        "--serve", action="store_true", help="show it on 127.0.0.1:8000 and follow edits"
    )
    chosen = parser.parse_args(arguments)
    try:
        home = _installed()
    except ToolError as error:
        print(f"MkDocs cannot be had: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "mkdocs"]
    if chosen.serve:
        command += ["serve", "--dev-addr", "127.0.0.1:8000"]
    else:
        command += ["build", "--strict", "--site-dir", str(SITE)]
    environment = os.environ | {"PYTHONPATH": str(home), "NO_MKDOCS_2_WARNING": "1"}
    if chosen.serve:
        return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode
    # Its own --quiet would keep warnings from being counted as what they are here: errors.
    finished = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode:
        print("".join(f"{line}\n" for line in finished.stdout.splitlines() if "INFO" not in line))
    else:
        print(f"the site is in {SITE.relative_to(CHECKOUT)}")
    return finished.returncode


def _installed() -> Path:
    """Where the locked MkDocs is. Raises ToolError where it cannot be had."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    home = cache_folder() / "site" / f"{sys.implementation.cache_tag}-{digest}"
    if not home.exists():
        install_wheels(LOCK, home)
    return home


if __name__ == "__main__":
    sys.exit(main())
