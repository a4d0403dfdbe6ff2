"""`make demo` plays its story to a good end, on embedded servers and on real ones."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow]


async def play(*arguments: str, cache: str = "") -> tuple[int, str]:
    environment = {**os.environ, **({"XDG_CACHE_HOME": cache} if cache else {})}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "hack/demo.py", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize(
    "servers",
    [
        pytest.param((), id="embedded"),
        pytest.param(("--real",), id="real", marks=pytest.mark.real("control plane", "spire")),
    ],
)
async def test_the_story_has_a_good_end(servers: tuple[str, ...]) -> None:
    code, said = await play("--once", *servers)
    assert code == 0, said
    assert "everything is as it should be" in said


async def test_without_the_real_servers_it_says_how_to_build_them(tmp_path: Path) -> None:
    code, said = await play("--real", "--once", cache=str(tmp_path))
    assert code == 1
    assert said.strip() == "not built yet: the control plane and SPIRE: make tools"
