"""The table of fields that templates see, made from Kubernetes' own Go types."""

import json
import os
import subprocess
from pathlib import Path

from hack.compilers import ToolError
from hack.tool_build import installed, required

TABLE = Path("registrar/gotemplate/kubernetes_types.json")
_SECONDS = 60


def table() -> str | None:
    """The table as it must stand in the file; None where the Go program is not built.

    Raises:
        ToolError: it is not built although ``CI=true`` requires it.

    """
    folder = required() if os.environ.get("CI") == "true" else installed()
    if folder is None:
        return None
    try:
        done = subprocess.run(
            [folder / "templateoracle", "types"],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"templateoracle does not run: {error}") from error
    rows = [
        f" {json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}"
        for name, row in sorted(json.loads(done.stdout).items())
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"
