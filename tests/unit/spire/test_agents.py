"""The list of attested agents, page by page, and what their IDs say."""

from pathlib import Path

import pytest

from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from registrar.settings.model import UnixAddress
from registrar.spire import agents
from registrar.spire.agents import Agent, AgentClient
from registrar.spire.connection import open_connection
from registrar.spire.errors import SpireError


@pytest.mark.parametrize(
    ("path", "psat"),
    [
        ("/spire/agent/k8s_psat/prod/uid", ("prod", "uid")),
        ("/spire/agent/k8s_psat/a/b/uid", ("a/b", "uid")),
        ("/spire/agent/join_token/x", None),
        ("/spire/agent/k8s_psat/prod", None),
        ("/my/own/agent", None),
    ],
)
def test_cluster_and_node_are_read_out_of_the_id(path: str, psat: tuple[str, str] | None) -> None:
    assert Agent(f"spiffe://example.org{path}", "x", 0, is_banned=False).psat == psat


async def test_all_pages_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "PAGE_SIZE", 2)
    socket = tmp_path / "spire.sock"
    async with (
        SpireServer.serve(socket_path=socket) as server,
        open_connection(UnixAddress(socket), trust_domain="example.org") as connection,
    ):
        for number in range(5):
            path = f"/spire/agent/k8s_psat/prod/{number}"
            server.state.agents[path] = types_pb2.Agent(
                id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
                attestation_type="k8s_psat",
                x509svid_expires_at=number,
                x509svid_serial_number="not asked for",
                banned=number == 3,
            )
        found = await AgentClient(connection).list()
        assert [agent.expires_at for agent in found] == [0, 1, 2, 3, 4]
        assert [agent.is_banned for agent in found] == [False, False, False, True, False]
        assert found[0].attestation_type == "k8s_psat"


async def test_a_server_that_is_away_is_an_error_of_ours(tmp_path: Path) -> None:
    async with open_connection(
        UnixAddress(tmp_path / "nobody.sock"), trust_domain="example.org"
    ) as connection:
        with pytest.raises(SpireError):
            await AgentClient(connection, timeout_seconds=5).list()
