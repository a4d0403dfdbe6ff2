"""The image is swapped and the arguments stay: the command line of the original runs ours."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hack.control_plane import ControlPlane
from tests.support.controllermanager import Manager
from tests.support.setup import real_setup

pytestmark = [pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
metadata: {{name: spire-controller-manager, namespace: spire-system}}
clusterName: ${{CLUSTER}}
trustDomain: example.org
clusterDomain: cluster.local
spireServerSocketPath: {socket}
metrics: {{bindAddress: "127.0.0.1:0"}}
health: {{healthProbeBindAddress: "0"}}
leaderElection: {{leaderElect: false}}
gcInterval: 1s
enableEntryRenderCache: true
kubeconfig: {kubeconfig}
"""


async def run(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "manager",
        *arguments,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.real
async def test_the_arguments_and_the_file_of_the_original_run_ours(
    real_control_plane: ControlPlane, tmp_path: Path
) -> None:
    configuration = tmp_path / "controller-manager-config.yaml"
    async with real_setup(tmp_path, real_control_plane) as setup:
        configuration.write_text(
            CONFIGURATION.format(
                socket=tmp_path / "spire.sock", kubeconfig=real_control_plane.kubeconfig
            )
        )
        manager = Manager(setup)
        node = await manager.node()
        await manager.template("all", spiffeIDTemplate="/{{ .ClusterName }}/{{ .PodMeta.Name }}")
        uid = await manager.pod("a")
        process = await run(
            f"--config={configuration}", "--expand-env", CLUSTER="prod", ENABLE_WEBHOOKS="false"
        )
        try:
            (entry,) = await manager.until_paths("/prod/a")
            assert entry.parent_id.path == f"/spire/agent/k8s_psat/prod/{node}"
            assert [s.value for s in entry.selectors] == [f"pod-uid:{uid}"]
        finally:
            process.terminate()
            _, said = await process.communicate()
        assert process.returncode == 0
        assert "enableEntryRenderCache does nothing here" in said.decode()


async def test_check_names_every_mistake_of_the_file(tmp_path: Path) -> None:
    configuration = tmp_path / "c.yaml"
    text = CONFIGURATION.format(socket="/s", kubeconfig="/k").replace(
        "gcInterval: 1s", "gcIntrval: 0"
    )
    configuration.write_text(text + "watchClassless: maybe\n")
    process = await run("check", "--config", str(configuration))
    _, said = await process.communicate()
    assert process.returncode == 2
    assert "gcIntrval: unknown key; did you mean gcInterval?" in said.decode()
    assert "watchClassless: must be true or false" in said.decode()


async def test_check_reads_the_template_of_the_parent(tmp_path: Path) -> None:
    configuration = tmp_path / "c.yaml"
    text = CONFIGURATION.format(socket="/s", kubeconfig="/k").replace("${CLUSTER}", "prod")
    configuration.write_text(text + 'parentIDTemplate: "/agent/{{ .NodeMeta.Name"\n')
    process = await run("check", "--config", str(configuration))
    _, said = await process.communicate()
    assert process.returncode == 2
    assert "parentIDTemplate" in said.decode()
    assert "unclosed action" in said.decode()


HOSTILE = {
    "alias in itself": "a: &a [*a]\n",
    "bomb of aliases": "\n".join(
        ["a0: &a0 [x]", *(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 20)), ""]
    ),
    "deep": "a: " + "[" * 100_000 + "\n",
    "long number": f"a: {'9' * 5000}\n",
    "control characters": 'a\x1b[31m: "\\e[31m"\n',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_file_is_refused_in_words(tmp_path: Path, text: str) -> None:
    configuration = tmp_path / "c.yaml"
    configuration.write_text(CONFIGURATION.format(socket="/s", kubeconfig="/k") + text)
    process = await run("run", "--config", str(configuration), CLUSTER="c")
    async with asyncio.timeout(120):
        _, said = await process.communicate()
    assert process.returncode == 2
    lines = said.decode().splitlines()
    assert len(lines) == 1
    assert str(configuration) in lines[0]
    assert lines[0].isprintable()


@pytest.mark.parametrize("text", list(HOSTILE.values())[:4], ids=list(HOSTILE)[:4])
async def test_a_hostile_kubeconfig_is_refused_in_words(tmp_path: Path, text: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)
    configuration = tmp_path / "c.yaml"
    configuration.write_text(
        CONFIGURATION.format(socket=tmp_path / "spire.sock", kubeconfig=kubeconfig)
    )
    process = await run("run", "--expand-env", "--config", str(configuration), CLUSTER="c")
    async with asyncio.timeout(120):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert f"kubeconfig: '{kubeconfig}': line " in said.decode()
    assert "Traceback" not in said.decode()


async def test_a_hostile_hcl_file_is_refused_in_words(tmp_path: Path) -> None:
    configuration = tmp_path / "c.conf"
    configuration.write_text('trust_domain = "example.org"\na = ' + "[" * 100_000)
    process = await run("run", "--config", str(configuration))
    async with asyncio.timeout(120):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert "more than 64 levels of nesting" in said.decode()
    assert "Traceback" not in said.decode()
