"""The command ``explain`` as a process: its words, its documents and its exit codes."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.controllermanager import NODE, Manager
from tests.support.explaining import attest
from tests.support.setup import Setup, embedded_setup, until

pytestmark = [pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
FILE = """\
kind: ControllerManagerConfig
clusterName: test
trustDomain: example.org
spireServerSocketPath: {socket}
kubeconfig: {folder}/kubeconfig
"""


async def explain(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "manager",
        "explain",
        "--config",
        str(folder / "config.yaml"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, "MY_POD_NAMESPACE": "spire"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def configure(folder: Path, socket: Path) -> None:
    text = FILE.format(socket=socket, folder=folder)
    (folder / "config.yaml").write_text(text, encoding="utf-8")


async def prepared(setup: Setup) -> None:
    """A Pod that has an identity, and one that has none."""
    manager = Manager(setup)
    attest(setup, NODE, await manager.node())
    await manager.template("all", podSelector={"matchLabels": {"app": "web"}})
    await manager.pod("web-1", labels={"app": "web"})
    await manager.pod("db-1", labels={"app": "db"})
    async with manager.running():
        await until(lambda: len(setup.entries()) == 1)


async def test_what_it_says_and_how_it_ends(tmp_path: Path) -> None:
    async with embedded_setup(tmp_path) as setup:
        await prepared(setup)
        configure(tmp_path, setup.spire.socket_path)
        code, out, err = await explain(tmp_path, "pod/web-1")
        assert (code, err) == (0, "")
        assert out.endswith("\n\nweb-1 gets spiffe://example.org/ns/default/sa/default\n")
        code, out, err = await explain(tmp_path, "pod/db-1", "-o", "json")
        assert (code, err) == (1, "")
        document = json.loads(out)
        assert document["hasIdentity"] is False
        assert document["considered"][0]["unmet"]["found"] == "db"
        code, out, err = await explain(tmp_path, "clusterspiffeid/all", "-o", "yaml")
        assert (code, err) == (0, "")
        assert yaml.safe_load(out)["identities"][0]["entry"]["state"] == "set"
        code, out, err = await explain(tmp_path, "deployment/web")
        assert (code, out) == (2, "")
        assert "the kind is none of pod" in err
        configure(tmp_path, tmp_path / "nobody.sock")
        code, out, err = await explain(tmp_path, "pod/web-1")
        assert (code, out) == (3, "")
        assert err.startswith("spire-registrar: the SPIRE server: ")
        code, out, err = await explain(tmp_path, "pod/web-1", "-o", "json")
        assert code == 3
        document = json.loads(out)
        assert document["hasIdentity"] is None
        assert document["verdict"].startswith("nobody can tell: the SPIRE server: ")
        assert document["unknown"]
        configure(tmp_path, setup.spire.socket_path)
        assert setup.embedded is not None
        setup.embedded.faults.fail(None, 403, resource="nodes")
        code, out, err = await explain(tmp_path, "pod/web-1")
        assert (code, out) == (3, "")
        assert "give the registrar's role list and watch on nodes" in err
        code, out, err = await explain(tmp_path, "pod/web-1", "--timeout", "1ms")
        assert (code, out) == (3, "")
        assert err.startswith("spire-registrar: reading the SPIRE server's entries took more than")
