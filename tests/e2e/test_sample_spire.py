"""The sample SPIRE server and agent run with the rights of their manifests, and all entries come.

What a Pod of the samples gets is read off the entries on the server, as an agent reads it: here is
no kubelet, so nobody asks the agent.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.control_plane import ControlPlane
from hack.processes import ServerError, Servers, free_port
from tests.support.manifests import CONFIG, render
from tests.support.samplespire import (
    NODE,
    SampleAgent,
    SampleServer,
    bundle,
    create,
    create_pod_of,
    deploy,
)

pytestmark = [pytest.mark.real("control plane", "spire"), pytest.mark.slow]

PAGE = CONFIG.parent / "docs/howto/install.md"
DRIVER = "spiffe://example.org/ns/spire/sa/csi-spire"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path / "plane") as made:
        deploy(made)
        yield made


def commands_of_the_page() -> list[str]:
    """What the page of the installation says to the server, without its socket."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    exec_server = (
        "kubectl exec -n spire spire-server-0 -c spire-server -- /opt/spire/bin/spire-server "
    )
    said = [line.removeprefix(exec_server) for line in lines if line.startswith(exec_server)]
    assert all(" -socketPath /run/spire/server/api.sock " in line for line in said)
    return [line.replace(" -socketPath /run/spire/server/api.sock", "") for line in said]


def test_the_samples_run_and_begin_anew_when_the_servers_data_is_lost(plane: ControlPlane) -> None:
    node = json.loads(plane.run_kubectl("get", "node", "node-1", "-ojson"))["metadata"]["uid"]
    agent_id = f"spiffe://example.org/spire/agent/k8s_psat/demo-cluster/{node}"
    with SampleServer(plane) as server:
        server.wait_until(lambda: "BEGIN CERTIFICATE" in bundle(plane))
        with SampleAgent(server, plane) as agent:
            assert set(server.agents()) == {agent_id}
            for command in commands_of_the_page():
                assert re.search(r"Entry ID +:", server.ask(command)), command
            entries = server.ask("entry show -spiffeID spiffe://example.org/spire-registrar")
            assert re.search(r"Admin +: true", entries)

            before = bundle(plane)
            server.lose_everything()
            server.start()
            server.wait_until(lambda: bundle(plane) not in (before, ""))
            assert not server.agents()
            with pytest.raises(ServerError, match="rebootstrapping"):
                agent.wait_until(lambda: False)
            # The kubelet starts it again, with the same folders.
            agent.stop()
            agent.start()
            assert set(server.agents()) == {agent_id}


def configuration_of(folder: str, server: SampleServer, certificates: Path) -> str:
    """What the registrar of a sample reads, with other places and ports."""
    rendered = render(folder)
    pod = rendered.pods()["spire-server"]
    (container,) = (each for each in pod.containers if each.image.startswith("spire-registrar"))
    text = rendered.configuration(pod, container)
    for said, here in (
        ("/run/spire/server/api.sock", str(server.folder / "server/api.sock")),
        ("/run/k8s-workload-registrar-certs", str(certificates)),
        (":8082", f"127.0.0.1:{free_port()}"),
        (":8083", f"127.0.0.1:{free_port()}"),
        ("9443", str(free_port())),
        ("webhook_enabled = true", f"webhook_enabled = true\nwebhook_port = {free_port()}"),
        ('mode = "webhook"', f'mode = "webhook"\naddr = "127.0.0.1:{free_port()}"'),
    ):
        text = text.replace(said, here)
    return text


@pytest.mark.parametrize(
    ("registrar", "pods"),
    [
        ("samples/sidecar", "samples/csi-clusterspiffeid"),
        ("samples/controller-manager-sidecar", "samples/csi-controller-manager"),
        ("samples/workload-registrar-crd", "samples/csi"),
        ("samples/workload-registrar-reconcile", "samples/csi"),
        ("samples/workload-registrar-webhook", "samples/csi"),
    ],
)
def test_the_node_driver_and_the_sample_pods_have_entries_that_nobody_made_by_hand(
    plane: ControlPlane,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registrar: str,
    pods: str,
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    monkeypatch.setenv("KUBECONFIG", str(server_account(plane)))
    program = Path(sys.executable).parent / "spire-registrar"
    certificates = tmp_path / "certificates"
    material = [str(program), "generate-config", f"--output-dir={certificates}"]
    subprocess.run(material, check=True, capture_output=True)
    plane.run_kubectl("apply", "-k", str(CONFIG / registrar))
    plane.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
    plane.run_kubectl("apply", "-k", str(CONFIG / "csi"))
    create_pod_of(plane, "csi-spire", "csi-spire-1")
    for document in render(pods).objects:
        if document["kind"] == "Pod":
            assert isinstance(document["spec"], dict)
            document["spec"] |= {"nodeName": NODE, "serviceAccountName": "default"}
        create(plane, document)
    servers = Servers(tmp_path)
    with SampleServer(plane) as server:
        server.wait_until(lambda: "BEGIN CERTIFICATE" in bundle(plane))
        with SampleAgent(server, plane):
            (agent,) = server.agents()
            file = tmp_path / "registrar.conf"
            file.write_text(configuration_of(registrar, server, certificates))
            running = servers.start("registrar", [str(program), "run", "--config", str(file)])
            try:
                of_driver = selectors_of(plane, "spire", "csi-spire-1")
                of_pod = selectors_of(plane, "default", "svid-as-files")
                running.wait_until(lambda: DRIVER in server.identities(agent, of_driver), 200)
                running.wait_until(
                    lambda: (
                        "spiffe://example.org/ns/default/sa/default"
                        in server.identities(agent, of_pod)
                    ),
                    200,
                )
                # No workload is a delegate but the driver.
                assert DRIVER not in server.identities(agent, of_pod)
            finally:
                servers.stop(running, abruptly=False)
                servers.close()


def server_account(plane: ControlPlane) -> Path:
    """Who the registrar beside the server is."""
    groups = ["system:serviceaccounts", "system:serviceaccounts:spire"]
    return plane.kubeconfig_for("system:serviceaccount:spire:spire-server", groups)


def selectors_of(plane: ControlPlane, namespace: str, name: str) -> set[str]:
    """By what the node driver asks for a Pod's SVIDs."""
    stored = json.loads(plane.run_kubectl("get", "pod", name, f"-n{namespace}", "-ojson"))
    return {
        f"k8s:ns:{namespace}",
        f"k8s:sa:{stored['spec']['serviceAccountName']}",
        f"k8s:pod-name:{name}",
        f"k8s:pod-uid:{stored['metadata']['uid']}",
        f"k8s:node-name:{NODE}",
    }
