"""The sample SPIRE server and agent run, with the rights that their manifests give them.

Their configurations are taken as they are; only paths, addresses and where the Kubernetes API is
differ, for here they are processes and not Pods. There is no kubelet, so no workload is attested.
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from hack.control_plane import ControlPlane
from hack.processes import ServerError, free_port
from hack.spire_program import Program
from registrar.settings import hcl
from tests.support.manifests import CONFIG, render

pytestmark = [pytest.mark.real("control plane", "spire"), pytest.mark.slow]

PAGE = CONFIG.parent / "docs/howto/install.md"
Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"


def plain(value: hcl.Value) -> Plain:
    """The same as JSON, which is HCL too."""
    if isinstance(value, hcl.Table):
        return {key: plain(entry.value) for key, entry in value.entries.items()}
    if isinstance(value, hcl.Items):
        return [plain(each) for each in value.values]
    return value.value


def at(value: Plain, *keys: str) -> dict[str, Plain]:
    """The table to which the keys lead."""
    for key in keys:
        assert isinstance(value, dict)
        value = value[key]
    assert isinstance(value, dict)
    return value


class Sample(Program):
    """A program of SPIRE with the configuration of its sample, in a folder of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name, None)
        rendered = render(f"samples/{name}")
        pod = rendered.pods()[name]
        text = rendered.configuration(pod, pod.container(name))
        found = plain(hcl.parse(text.replace("/run/spire/", f"{self.folder}/")).root)
        assert isinstance(found, dict)
        self.configuration = found
        for folder in ("agent", "admin", "server", "data", "bundle"):
            (self.folder / folder).mkdir()
        health = at(self.configuration, "health_checks")
        health |= {"bind_address": "127.0.0.1", "bind_port": str(free_port())}


class SampleServer(Sample):
    """The server, which asks the Kubernetes API as the service account of its manifests."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__("spire-server")
        account = "system:serviceaccount:spire:spire-server"
        kubeconfig = str(plane.kubeconfig_for(account, ["system:serviceaccounts"]))
        self.port = free_port()
        at(self.configuration, "server").update(
            bind_address="127.0.0.1", bind_port=str(self.port), ratelimit={"attestation": False}
        )
        plugins = ("plugins", "NodeAttestor", "k8s_psat", "plugin_data", "clusters", "demo-cluster")
        at(self.configuration, *plugins)["kube_config_file"] = kubeconfig
        notifier = at(self.configuration, "plugins", "Notifier", "k8sbundle", "plugin_data")
        notifier["kube_config_file_path"] = kubeconfig

    def start(self) -> None:
        self.launch(self.configuration, self.folder / "server/api.sock")

    def lose_everything(self) -> None:
        """As an emptyDir does when its Pod goes."""
        self.kill()
        for file in (self.folder / "data").iterdir():
            file.unlink()

    def ask(self, command: str) -> str:
        return self.run(*shlex.split(command), "-socketPath", str(self.folder / "server/api.sock"))

    def agents(self) -> list[str]:
        """The SPIFFE IDs of the agents that it knows."""
        answer = json.loads(self.ask("agent list -output json"))
        return [f"spiffe://example.org{each['id']['path']}" for each in answer["agents"]]


class SampleAgent(Sample):
    """The agent, which shows the server the token of a Pod of its manifests."""

    def __init__(self, server: SampleServer, plane: ControlPlane) -> None:
        super().__init__("spire-agent")
        self._plane = plane
        token = self.folder / "token"
        token.write_text(
            plane.run_kubectl(
                *("create", "token", "spire-agent", "--namespace=spire", "--duration=2h"),
                *("--audience=spire-server", "--bound-object-kind=Pod"),
                "--bound-object-name=spire-agent-1",
            ).strip()
        )
        agent = at(self.configuration, "agent")
        agent |= {"server_address": "127.0.0.1", "server_port": str(server.port)}
        # A minute is long for a test.
        agent["rebootstrap_delay"] = "1s"
        psat = at(self.configuration, "plugins", "NodeAttestor", "k8s_psat", "plugin_data")
        psat["token_path"] = str(token)
        k8s = at(self.configuration, "plugins", "WorkloadAttestor", "k8s", "plugin_data")
        k8s["token_path"] = str(token)

    def start(self) -> None:
        self.take_bundle()
        self.launch(self.configuration, self.folder / "agent/api.sock")

    def take_bundle(self) -> None:
        """Do as the kubelet: the ConfigMap as a file."""
        (self.folder / "bundle/bundle.crt").write_text(bundle(self._plane))


def bundle(plane: ControlPlane) -> str:
    """What the server has written into the ConfigMap."""
    stored = plane.run_kubectl("get", "configmap", "spire-bundle", "-nspire", "-ojson")
    return str(json.loads(stored).get("data", {}).get("bundle.crt", ""))


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path) as made:
        made.run_kubectl("apply", "-k", str(CONFIG / "samples/spire-server"))
        made.run_kubectl("apply", "-k", str(CONFIG / "samples/spire-agent"))
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
        made.run_kubectl("create", "--filename=-", stdin=json.dumps(node))
        daemon_set = made.run_kubectl("get", "daemonset", "spire-agent", "-nspire", "-ojson")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "spire-agent-1", "namespace": "spire"},
            "spec": json.loads(daemon_set)["spec"]["template"]["spec"] | {"nodeName": "node-1"},
        }
        made.run_kubectl("create", "--filename=-", stdin=json.dumps(pod))
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
            assert server.agents() == [agent_id]
            for command in commands_of_the_page():
                assert re.search(r"Entry ID +:", server.ask(command)), command
            entries = server.ask("entry show -spiffeID spiffe://example.org/spire-registrar")
            assert re.search(r"Admin +: true", entries)

            before = bundle(plane)
            server.lose_everything()
            server.start()
            server.wait_until(lambda: bundle(plane) not in (before, ""))
            assert server.agents() == []
            with pytest.raises(ServerError, match="rebootstrapping"):
                agent.wait_until(lambda: False)
            # The kubelet starts it again, with the same folders.
            agent.stop()
            agent.start()
            assert server.agents() == [agent_id]
