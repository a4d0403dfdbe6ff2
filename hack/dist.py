"""Builds what we publish, the same bytes wherever and whenever it is done: the wheel and its bill.

What decides them is the checkout alone: the files that the Dockerfile copies, with modes that no
umask has touched, and the time of the last commit in the place of all other times. Called by
``make dist``; `hack/image.py` takes the same time for the image.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack import sbom  # noqa: E402 - needs the line above
from hack.node.product_image import copied  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[1]
NAME = "SOURCE_DATE_EPOCH"
EARLIEST = 315532800
"""1980, the first year that a wheel can name: what counts where there is no commit to ask."""
SECONDS = 300.0


class DistError(Exception):
    """The build failed; the message is what it said."""


def source_date_epoch(
    checkout: Path = CHECKOUT, environment: Mapping[str, str] = os.environ
) -> int:
    """The time that everything built here has: the environment's, else that of the last commit."""
    given = environment.get(NAME, "")
    if given:
        return max(int(given), EARLIEST)
    command = ["git", "-C", str(checkout), "log", "-1", "--format=%ct"]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return EARLIEST
    text = finished.stdout.strip()
    return max(int(text), EARLIEST) if finished.returncode == 0 and text else EARLIEST


def build_wheel(checkout: Path, out: Path, epoch: int) -> Path:
    """Build the wheel of a checkout into a folder.

    Raises:
        DistError: pip failed.

    """
    with tempfile.TemporaryDirectory() as folder:
        sources, wheels = Path(folder) / "sources", Path(folder) / "wheels"
        for path in copied(checkout):
            target = sources / path.relative_to(checkout)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
        command += ["--no-index", "--no-deps", "--no-build-isolation"]
        finished = subprocess.run(
            [*command, "--wheel-dir", str(wheels), str(sources)],
            env=os.environ | {NAME: str(epoch)},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            umask=0o022,
        )
        if finished.returncode != 0:
            raise DistError(finished.stderr.strip())
        (wheel,) = wheels.glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        (out / wheel.name).write_bytes(wheel.read_bytes())
    return out / wheel.name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/dist.py", description="Build the wheel and its bill of materials."
    )
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist", help="default: dist/")
    chosen = parser.parse_args(arguments)
    out: Path = chosen.out
    try:
        wheel = build_wheel(CHECKOUT, out, source_date_epoch())
        bill = out / f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json"
        bill.write_text(sbom.written(sbom.bill()), encoding="utf-8")
    except (DistError, sbom.SBOMError) as error:
        print(error, file=sys.stderr)
        return 1
    print(wheel)
    print(bill)
    return 0


if __name__ == "__main__":
    sys.exit(main())
