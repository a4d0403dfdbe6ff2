"""The sample SPIRE server and agent of config/ as processes.

Their configurations are taken as they are; only paths, addresses and where the Kubernetes API is
differ, for here they are no Pods. There is no kubelet, so no workload is attested.
"""

import json
import shlex
from typing import TypeAlias

from api.codec import JSONObject
from hack.control_plane import ControlPlane
from hack.processes import free_port
from hack.spire_program import Program
from registrar.settings import hcl
from tests.support.manifests import CONFIG, render

NODE = "node-1"
AGENT_POD = "spire-agent-1"

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


def _id(said: dict[str, str]) -> str:
    return f"spiffe://{said['trust_domain']}{said['path']}"


def _selectors(said: dict[str, list[dict[str, str]]]) -> set[str]:
    return {f"{each['type']}:{each['value']}" for each in said["selectors"]}


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

    def agents(self) -> dict[str, set[str]]:
        """The agents that it knows, by their SPIFFE IDs, and the selectors of their nodes."""
        answer = json.loads(self.ask("agent list -output json"))
        return {_id(each["id"]): _selectors(each) for each in answer["agents"]}

    def identities(self, agent: str, selectors: set[str]) -> set[str]:
        """The SPIFFE IDs that an agent gives to a workload with these selectors."""
        entries = json.loads(self.ask("entry show -output json"))["entries"]
        on_the_node = {agent} | {
            _id(each["spiffe_id"])
            for each in entries
            if _id(each["parent_id"]) == "spiffe://example.org/spire/server"
            and _selectors(each) <= self.agents()[agent]
        }
        return {
            _id(each["spiffe_id"])
            for each in entries
            if _id(each["parent_id"]) in on_the_node and _selectors(each) <= selectors
        }


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
                f"--bound-object-name={AGENT_POD}",
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


def deploy(plane: ControlPlane) -> None:
    """Apply both samples, and tell the API server of a Node with a Pod of the agent."""
    plane.run_kubectl("apply", "-k", str(CONFIG / "samples/spire-server"))
    plane.run_kubectl("apply", "-k", str(CONFIG / "samples/spire-agent"))
    create(plane, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    create_pod_of(plane, "spire-agent", AGENT_POD)


def create(plane: ControlPlane, document: JSONObject) -> None:
    """Create an object."""
    plane.run_kubectl("create", "--filename=-", stdin=json.dumps(document))


def create_pod_of(plane: ControlPlane, daemon_set: str, name: str) -> None:
    """A Pod as the controller of a DaemonSet in the namespace ``spire`` makes it."""
    stored = plane.run_kubectl("get", "daemonset", daemon_set, "-nspire", "-ojson")
    template = json.loads(stored)["spec"]["template"]
    create(
        plane,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "spire", **template["metadata"]},
            "spec": {**template["spec"], "nodeName": NODE},
        },
    )
