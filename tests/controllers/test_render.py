"""`spire-registrar render` with the Pods of a cluster gives what a registrar makes of them."""

import asyncio
import json
from pathlib import Path

import pytest

from api.codec import JSONObject, to_json
from api.documents import dump_yaml
from api.kinds import CLUSTER_SPIFFEID
from manager.cli import main
from tests.support.controllermanager import Manager
from tests.support.setup import Setup

pytestmark = pytest.mark.may_block  # the command has an event loop of its own


def endpoint_slice(pod: str) -> JSONObject:
    target: JSONObject = {"kind": "Pod", "namespace": "default", "name": pod}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "front-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "front"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": target}],
    }


async def test_a_cluster_gives_what_a_registrar_makes_of_it(
    setup: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = Manager(setup)
    await manager.node()
    await manager.pod("web")
    await setup.client.apply(endpoint_slice("web"))
    obj = await manager.template(
        "all",
        spiffeIDTemplate="spiffe://{{ .TrustDomain }}/{{ .Owner.Kind }}/{{ .PodMeta.Name }}",
        workloadSelectorTemplates=["k8s:node-name:{{ .NodeMeta.Name }}"],
        autoPopulateDNSNames=True,
    )
    async with manager.running():
        (entry,) = await setup.until_entries("/Pod/web", 1)
    document = to_json(obj)
    assert isinstance(document, dict)
    document |= {"apiVersion": CLUSTER_SPIFFEID.api_version, "kind": CLUSTER_SPIFFEID.kind}
    file = tmp_path / "object.yaml"
    await asyncio.to_thread(file.write_text, dump_yaml(document), encoding="utf-8")
    flags = ["-f", str(file), "--kubeconfig", str(setup.settings.kubeconfig), "-o", "json"]
    where = ["--trust-domain", "example.org", "--cluster", "test", "-n", "default"]
    assert await asyncio.to_thread(main, ["render", *flags, *where, "pod/web"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["rendered"]
    assert found["notes"] == []
    values = found["values"]
    assert values["SPIFFE ID"] == ["spiffe://example.org/Pod/web"]
    assert values["parent ID"] == [f"spiffe://example.org{entry.parent_id.path}"]
    assert values["selectors"] == sorted(f"{each.type}:{each.value}" for each in entry.selectors)
    assert values["DNS names"] == list(entry.dns_names)
    assert await asyncio.to_thread(main, ["render", *flags, *where]) == 0
    assert len(json.loads(capsys.readouterr().out)["rendered"]) == 1


async def test_a_pod_that_is_not_there(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--template", "x", "--kubeconfig", str(setup.settings.kubeconfig), "pod/nobody"]
    assert await asyncio.to_thread(main, ["render", *flags]) == 3
    assert "nobody" in capsys.readouterr().err
