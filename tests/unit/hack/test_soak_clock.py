"""Clock jumps of the soak."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hack.soak import clock


def test_a_process_believes_that_its_clock_has_jumped(tmp_path: Path) -> None:
    library = clock.built(tmp_path)
    if library is None:
        pytest.skip("no C compiler here")
    file = tmp_path / "clock"
    environment = {**os.environ, **clock.environment(library, file)}

    def told() -> float:
        program = "import datetime; print(datetime.datetime.now().timestamp())"
        command = [sys.executable, "-c", program]
        return float(subprocess.check_output(command, env=environment, text=True))

    assert abs(told() - time.time()) < 600
    clock.jump(file, 86_400)
    assert abs(told() - time.time() - 86_400) < 600
    clock.jump(file, -86_400)
    assert abs(told() - time.time() + 86_400) < 600
