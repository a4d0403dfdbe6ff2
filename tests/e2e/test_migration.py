"""The commands of the migration page, run as they stand there, on a real control plane."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.documents import dump_yaml
from api.kinds import POD
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from hack.control_plane import ControlPlane
from hack.spire import RealServer
from registrar.settings.model import PodIdentity
from tests.support.migration import Run, there_and_back
from tests.support.peers import LAYERED, installed, layered_definition, restore_kinds
from tests.support.setup import real_setup, some_looks

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/howto/migrate-from-spire-k8s-registrar.md"
KINDS = {"clusterspiffeids": "ClusterSpiffeID", "spireentries": "SpireEntry"}
"""As the original spelled them."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: other tests share kinds that are changed here."""
    with ControlPlane((), tmp_path_factory.mktemp("plane")) as plane:
        yield plane


async def test_the_original_is_replaced_without_a_change_on_the_spire_server(
    tmp_path: Path, plane: ControlPlane
) -> None:
    await asyncio.to_thread(_install_the_original, plane)
    uid = await asyncio.to_thread(_pod, plane)
    _create(
        plane, "ClusterSpiffeID", "web", _spec("/web", podLabel={"app": "web", "version": "1.0"})
    )
    _create(plane, "ClusterSpiffeID", "pod-0", _spec("/pod", podUid=uid, namespace="default"))
    _create(plane, "SpireEntry", "0a1b2c3d4e5f6071", _spec("/web", podLabel={"app": "web"}))

    await _run_page(plane, tmp_path)

    async with real_setup(tmp_path, plane) as setup:
        before = [
            _entry("1", "/spire-k8s-operator/test/node", "/spire/server", "k8s_psat:cluster:test"),
            _entry("2", "/web", "", "k8s:pod-label:app:web", "k8s:pod-label:version:1.0"),
            _entry("3", "/pod", "", f"k8s:pod-uid:{uid}", "k8s:ns:default"),
        ]
        for entry in before:
            setup.spire.state.put(entry)
        async with setup.registrar(pods=PodIdentity("label", "spiffe")):
            assert (await setup.until_ready("web")).status.entry_id == "2"
            await some_looks(setup)
            assert {entry.id for entry in setup.spire.state.entries()} == {"1", "2", "3"}
            assert not setup.spire.calls["BatchDeleteEntry"]
            pod = (await setup.client.get(POD.path("default", "pod-0")))["metadata"]
            assert isinstance(pod, dict)
            assert pod["finalizers"] == ["example.org/first", "example.org/last"]


@pytest.mark.real("control plane", "spire")
@pytest.mark.may_block
async def test_the_command_replaces_it_and_puts_it_back(
    tmp_path: Path,
    plane: ControlPlane,
    real_spire_server: RealServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with real_setup(tmp_path, plane, real_spire_server) as setup:
        world = await installed(setup, LAYERED)
        await there_and_back(Run(setup, tmp_path, capsys), world)
        await restore_kinds(setup)


def _install_the_original(plane: ControlPlane) -> None:
    for plural, kind in KINDS.items():
        document = layered_definition(plural, kind)
        plane.run_kubectl("apply", "-f", "-", stdin=dump_yaml(document))
        plane.run_kubectl("wait", "--for=condition=Established", f"crd/{plural}.spiffeid.spiffe.io")


def _pod(plane: ControlPlane) -> str:
    """A Pod with the original's finalizer between two of somebody else's; gives its uid."""
    document: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "pod-0",
            "namespace": "default",
            "labels": {"spiffe": "pod"},
            "finalizers": [
                "example.org/first",
                "pods.finalizers.spiffeid.spiffe.io/original",
                "example.org/last",
            ],
        },
        "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
    }
    plane.run_kubectl("create", "-f", "-", stdin=dump_yaml(document))
    return plane.run_kubectl("get", "pod", "pod-0", "--output=jsonpath={.metadata.uid}")


def _spec(path: str, **selector: object) -> JSONObject:
    return {"spiffeId": f"spiffe://example.org{path}", "selector": selector}  # type: ignore[dict-item]


def _create(plane: ControlPlane, kind: str, name: str, spec: JSONObject) -> None:
    document: JSONObject = {
        "apiVersion": "spiffeid.spiffe.io/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "finalizers": ["spiffeid.spiffe.io/original"]},
        "spec": spec,
    }
    plane.run_kubectl("create", "-f", "-", stdin=dump_yaml(document))


async def _run_page(plane: ControlPlane, folder: Path) -> None:
    """Run its blocks one after the other, in one shell, where a checkout is."""
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "bin").mkdir()
    kubectl = folder / "bin/kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {plane.kubectl} --kubeconfig={plane.kubeconfig} "$@"\n')
    kubectl.chmod(0o755)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    async with asyncio.timeout(120):
        process = await asyncio.create_subprocess_exec(
            *("sh", "-eu", "-c", "\n".join(blocks)),
            cwd=folder,
            env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def _entry(entry_id: str, path: str, parent: str, *selectors: str) -> Entry:
    """An entry as the original made it: with an ID that the server chose."""
    return Entry(
        id=entry_id,
        spiffe_id=SPIFFEID(trust_domain="example.org", path=path),
        parent_id=SPIFFEID(
            trust_domain="example.org", path=parent or "/spire-k8s-operator/test/node"
        ),
        selectors=[
            Selector(type=type_, value=value)
            for type_, _, value in (text.partition(":") for text in selectors)
        ],
    )
