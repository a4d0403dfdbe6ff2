"""The files of the workloads module: who is let in is the same for all that look at it."""

import re

import pytest

from tests.support.topologies import DEPLOY, Module
from topology.checks.workloads import SERVER, WITH_FILES
from workloads.policy import Policy, parse_policy

pytestmark = [pytest.mark.real("control plane"), pytest.mark.slow]


def files(module: Module, prefix: str) -> tuple[Policy, str]:
    """What a ConfigMap has for the authorizer and for Envoy."""
    (data,) = (data for name, data in module.configmaps.items() if name.startswith(prefix))
    return parse_policy(data["policy.yaml"], path="policy.yaml"), data["envoy.yaml"]


def test_who_may_ask_the_server_is_the_same_everywhere() -> None:
    module = Module("workloads")
    (server,) = (each for each in module.workloads if each.metadata.name == "server")
    policy, inbound = files(module, "workload-server-")
    (program,) = (each for each in server.pod.containers if each.name == "server")
    clients = {arg.partition("=")[2] for arg in program.args if arg.startswith("--client=")}
    assert clients == policy.allow.keys()
    for client in clients:
        assert f'{{san_type: URI, matcher: {{exact: "{client}"}}}}' in inbound
    assert inbound.count("san_type") == len(clients)


def test_a_host_that_envoy_knows_has_an_audience() -> None:
    module = Module("workloads")
    policy, outbound = files(module, "outbound-")
    hosts = re.findall(r'domains: \["(server[^"]*)"\]', outbound)
    assert {*hosts} == policy.audiences.keys()
    assert {*policy.audiences.values()} == {SERVER}
    assert f'exact: "{SERVER}"' in outbound


def test_the_policy_of_files_fits_what_envoy_lets_in() -> None:
    folder = DEPLOY / "base/envoy-files"
    policy = parse_policy((folder / "server/policy.yaml").read_text(), path="policy.yaml")
    inbound = (folder / "server/envoy.yaml").read_text()
    for client in policy.allow:
        assert f'{{san_type: URI, matcher: {{exact: "{client}"}}}}' in inbound
    assert inbound.count("san_type") == len(policy.allow)
    way_out = parse_policy((folder / "client/policy.yaml").read_text(), path="policy.yaml")
    outbound = (folder / "client/envoy.yaml").read_text()
    assert {*way_out.audiences.values()} == {WITH_FILES.spiffe_id}
    assert f'exact: "{WITH_FILES.spiffe_id}"' in outbound
    for name in ("sds-svid.yaml", "sds-bundles.yaml"):
        texts = {(folder / side / name).read_text() for side in ("server", "client")}
        assert len(texts) == 1
