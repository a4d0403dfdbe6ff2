"""Runs kubectl for whoever has a cluster."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.processes import ServerError


def run_kubectl(
    kubectl: Path,
    kubeconfig: Path,
    *arguments: str,
    stdin: str = "",
    timeout_seconds: float = 120,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what kubectl writes.

    Raises:
        ServerError: kubectl failed, or took too long; the message is what it wrote to its
            standard error.

    """
    said = f"kubectl {' '.join(arguments)}"
    try:
        finished = subprocess.run(
            [str(kubectl), f"--kubeconfig={kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"{said}: no end in {timeout_seconds:.0f} s") from error
    if finished.returncode != 0:
        raise ServerError(f"{said}: {finished.stderr.strip()}")
    return finished.stdout
