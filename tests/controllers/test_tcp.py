"""The registrar apart from the SPIRE server: over TCP, with its own SVID from the agent."""

from dataclasses import replace
from pathlib import Path

from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from devcluster.spire.server import SpireServer, TLSOptions
from devcluster.spire.workload import WorkloadAPI
from registrar.settings.model import TCPAddress
from tests.support.setup import embedded_setup, until

OUR_ID = "spiffe://example.org/registrar"


async def test_the_registrar_works_over_mtls_while_its_svid_rotates(tmp_path: Path) -> None:
    async with (
        embedded_setup(tmp_path) as setup,
        SpireServer.serve(socket_path=tmp_path / "far.sock", tcp=TLSOptions()) as far,
        WorkloadAPI.serve(
            socket_path=tmp_path / "agent.sock", authority=far.authority, spiffe_id=OUR_ID
        ) as agent,
    ):
        far.state.put(
            Entry(
                id="registrar",
                spiffe_id=SPIFFEID(trust_domain="example.org", path="/registrar"),
                parent_id=SPIFFEID(trust_domain="example.org", path="/agents"),
                selectors=[Selector(type="k8s", value="sa:spire-registrar")],
                admin=True,
            )
        )
        address = TCPAddress("127.0.0.1", far.tcp_port, agent.socket_path)
        setup.spire_server, setup.settings = far, replace(setup.settings, spire=address)
        async with setup.registrar():
            for number in range(3):
                await setup.apply(f"web-{number}")
                await setup.until_ready(f"web-{number}")
                agent.rotate()
        await until(lambda: len(setup.entries("/registrar")) == 1)


async def test_without_an_admin_entry_the_registrar_waits_and_says_why(tmp_path: Path) -> None:
    async with (
        embedded_setup(tmp_path) as setup,
        SpireServer.serve(socket_path=tmp_path / "far.sock", tcp=TLSOptions()) as far,
        WorkloadAPI.serve(
            socket_path=tmp_path / "agent.sock", authority=far.authority, spiffe_id=OUR_ID
        ) as agent,
    ):
        address = TCPAddress("127.0.0.1", far.tcp_port, agent.socket_path)
        async with setup.starting(spire=address) as process:
            await until(lambda: "admin" in (process.why_not_ready() or ""))
            assert not process.first_pass_is_over
