"""Asks whether what we ship has known vulnerabilities: pip-audit over the run lock.

pip-audit has a lock of its own and lies in the user's cache, apart from everything else. Where its
vulnerability service cannot be reached that is said and is no failure, unlike a finding. Called by
``make audit``.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack.compilers import MODULES, ToolError, cache_folder, install_wheels  # noqa: E402 - as above

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = "requirements-run.lock"
PIP_AUDIT_LOCK = MODULES / "pip-audit.lock"
SECONDS = 300.0
_MOST_SAID = 300
_NOT_REACHED = (
    "ConnectionError",
    "ServiceError",
    "HTTPError",
    "ProxyError",
    "Timeout",
    "Max retries",
)
"""What pip-audit's last words have in them when nobody answered it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask; return 1 for a finding, or where pip-audit itself fails."""
    parser = argparse.ArgumentParser(
        prog="hack/audit.py", description="Ask whether what we ship has known vulnerabilities."
    )
    parser.add_argument("--lock", type=Path, default=CHECKOUT / LOCK, help=f"default: {LOCK}")
    parser.add_argument(
        "--pip-audit", help="the command to ask with (default: the locked one, from the cache)"
    )
    chosen = parser.parse_args(arguments)
    lock: Path = chosen.lock
    own: str | None = chosen.pip_audit
    try:
        command, environment = ([own], {}) if own else _installed()
        return _ask(command, environment, lock)
    except ToolError as error:
        print(f"pip-audit cannot be had, so nobody could be asked: {error}")
    except subprocess.TimeoutExpired:
        print(f"the vulnerability service could not be asked: no end in {SECONDS:.0f} s")
    return 0


def _installed() -> tuple[list[str], dict[str, str]]:
    """The locked pip-audit. Raises ToolError where it cannot be had."""
    digest = hashlib.sha256(PIP_AUDIT_LOCK.read_bytes()).hexdigest()[:16]
    tag = f"{sys.implementation.cache_tag}-{digest}"
    home = cache_folder() / "pip-audit" / tag
    if not home.exists():
        install_wheels(PIP_AUDIT_LOCK, home)
    return [sys.executable, "-m", "pip_audit"], {"PYTHONPATH": str(home)}


def _ask(command: list[str], environment: dict[str, str], lock: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--requirement", str(lock), "--require-hashes", "--disable-pip", "--no-deps"]
        options += ["--progress-spinner", "off", "--format", "json", "--output", str(report)]
        finished = subprocess.run(
            [*command, *options],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        text = report.read_text(encoding="utf-8") if report.exists() else ""
    if text:
        return _judged(text)
    said = " ".join(finished.stderr.split())[-_MOST_SAID:]
    if any(word in finished.stderr for word in _NOT_REACHED):
        print(f"the vulnerability service could not be asked: …{said}")
        return 0
    print(f"pip-audit failed with exit code {finished.returncode}: …{said}", file=sys.stderr)
    return 1


def _judged(text: str) -> int:
    """Tell what pip-audit found, a line each; return the exit code."""
    dependencies = json.loads(text)["dependencies"]
    skipped = {each["name"]: each["skip_reason"] for each in dependencies if "skip_reason" in each}
    if dependencies and len(skipped) == len(dependencies):
        # Who answers for PyPI here has packages, and no word about them.
        reason = next(iter(skipped.values()))
        print(f"the vulnerability service could not be asked: it knows none of them ({reason}, …)")
        return 0
    for name, reason in skipped.items():
        print(f"{name} could not be asked about: {reason}")
    found = 0
    for each in dependencies:
        for vulnerability in each.get("vulns", ()):
            found += 1
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            print(f"{each['name']} {each['version']}: {vulnerability['id']}, mended in {mended}")
    asked = len(dependencies) - len(skipped)
    print(
        f"{asked} of {len(dependencies)} distributions asked about, {found} known vulnerabilities"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
