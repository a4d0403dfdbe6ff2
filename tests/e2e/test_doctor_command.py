"""`spire-registrar doctor` as a person runs it: what is printed, and the exit code."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from manager.cli import main
from tests.support.installation import Installation, at_work, installation
from tests.support.setup import embedded_setup

pytestmark = pytest.mark.may_block  # the command has an event loop of its own


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Installation]:
    async with embedded_setup(tmp_path) as setup, installation(setup, tmp_path) as made:
        yield made


def file(folder: Path) -> str:
    """The configuration as somebody would write it."""
    path = folder / "config.yaml"
    config = {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ControllerManagerConfig",
        "trustDomain": "example.org",
        "clusterName": "test",
        "spireServerSocketPath": str(folder / "spire.sock"),
        "leaderElection": {
            "leaderElect": True,
            "resourceName": "registrar",
            "resourceNamespace": "default",
        },
        "metrics": {"bindAddress": "127.0.0.1:0"},
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


async def doctor(made: Installation, folder: Path, *flags: str) -> int:
    """Run it against the front; gives the exit code."""
    config = await asyncio.to_thread(file, folder)
    kubeconfig = str(folder / "front.yaml")
    where = ["--metrics", made.metrics] if made.metrics else []
    arguments = ["doctor", "--config", config, "--kubeconfig", kubeconfig, *where, *flags]
    return await asyncio.to_thread(main, arguments)


async def test_a_healthy_installation_reads_as_groups_of_lines(
    bare: Installation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENABLE_WEBHOOKS", "false")
    async with at_work(bare):
        code = await doctor(bare, tmp_path)
    out = capsys.readouterr().out
    assert code == 0, out
    assert out.startswith("configuration\n-------------\n√ spire-registrar ")
    assert "\n\nkubernetes\n----------\n√ the API server answers (Kubernetes " in out
    assert "\n\nspire-server\n------------\n" in out
    assert out.endswith(" ok, 0 warnings, 0 errors\n")
    assert "\x1b" not in out
    assert bare.front.writes == []


async def test_errors_make_it_fail_and_say_what_to_do(
    bare: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor(bare, tmp_path) == 1
    out = capsys.readouterr().out
    assert (
        "\n\u00d7 no replica leads by the Lease default/registrar: nobody\n    no registrar" in out
    )
    assert "\n    do: is a registrar running" in out
    assert "\n    see: docs/runbook.md#" in out


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_findings_for_programs(
    bare: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert await doctor(bare, tmp_path, "-o", form) == 1
    out = capsys.readouterr().out
    document = json.loads(out) if form == "json" else yaml.safe_load(out)
    findings = document["findings"]
    assert document["mode"] == "controller-manager"
    assert document["errors"] == sum(each["level"] == "error" for each in findings) > 0
    assert {"group", "check", "level", "summary", "meaning", "remedy", "runbook"} == set(
        findings[0]
    )


async def test_what_is_wrong_before_anything_is_looked_at(
    bare: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor(bare, tmp_path, "--context", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err
    missing = str(tmp_path / "missing.yaml")
    assert await asyncio.to_thread(main, ["doctor", "--config", missing]) == 2
    with pytest.raises(SystemExit) as end:
        await asyncio.to_thread(main, ["doctor", "--service-account", "no-namespace"])
    assert end.value.code == 2
    assert "write NAMESPACE/NAME" in capsys.readouterr().err


def test_the_help_says_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for code in ("Exit code 0:", "1: errors", "2: the configuration"):
        assert code in words
