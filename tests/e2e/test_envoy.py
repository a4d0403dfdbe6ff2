"""Envoy with the configurations of deploy/, at a real SPIRE agent, while SVIDs rotate."""

import asyncio
import http.client
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from api.proto import types_pb2
from hack import envoy
from hack.processes import Server, Servers, free_port
from hack.spire import RealAgent, RealServer
from registrar.csi.credentials import Credentials
from registrar.csi.folder import AtomicFolder, Rights
from registrar.csi.layout import files_of
from registrar.csi.wish import Wish
from registrar.spire.background import background
from registrar.spire.delegated import X509SVID
from tests.support.spire import SharedSpire
from tests.support.topologies import DEPLOY
from tests.support.waiting import eventually
from topology.checks.token import altered
from topology.workloadapi import WorkloadAPI, X509Answer
from workloads.client import Refused, Request, ask
from workloads.peers import parse_expected

pytestmark = [pytest.mark.real("envoy"), pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = DEPLOY.parent
CONFIGURATIONS = sorted(DEPLOY.glob("**/envoy*.yaml"))
WHO = "spiffe://example.org/both"
"""Server, client and both Envoys: the agent knows them by their Unix user, who is the same."""
SECONDS = 60.0
TTL_SECONDS = 16
HOST = "server.spire-workloads.svc:9443"
POLICY = f"""
ingress: {{allow: {{{WHO}: [{{path: /public, methods: [GET]}}]}}}}
egress: {{audiences: {{{HOST}: {WHO}}}}}
"""


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(DEPLOY))) for path in CONFIGURATIONS]
)
def test_envoy_accepts_its_configuration(path: Path, tmp_path: Path) -> None:
    # Where files are named they must be there.
    for each in path.parent.glob("*.yaml"):
        text = each.read_text().replace("/etc/workload/", f"{tmp_path}/")
        (tmp_path / each.name).write_text(text.replace("/run/svid", str(tmp_path)))
    finished = subprocess.run(
        [envoy.required(), "--mode", "validate", "-c", tmp_path / path.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    # Such as of fields that are about to go.
    assert "deprecated" not in finished.stderr.lower()


@dataclass(frozen=True, slots=True)
class Way:
    """From a client through two Envoys to a server."""

    agent: RealAgent
    folder: Path
    servers: Servers
    inbound: int
    outbound: int

    def authorizer(self) -> Server:
        """Start the authorizer of both."""
        arguments = [f"--listen={self.folder}/z", f"--policy={self.folder}/policy.yaml"]
        return self.program("authorizer", *arguments)

    def program(self, name: str, *arguments: str) -> Server:
        """Start a program of ours."""
        where = f"--socket={self.agent.workload_api}"
        return self.servers.start(
            name, [sys.executable, "-m", "workloads", name, *arguments, where]
        )

    async def through(self, path: str = "/public", **headers: str) -> tuple[int, str]:
        """Ask through both Envoys."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"http://127.0.0.1:{self.outbound}{path}", headers={"Host": HOST, **headers}
            ) as response,
        ):
            return response.status, await response.text()

    async def direct(self, path: str = "/public", *, token: str = "", server: str = WHO) -> int:
        """Ask the inner Envoy by ourselves, with a token for us unless another one is given."""
        request = Request(
            f"https://127.0.0.1:{self.inbound}{path}",
            parse_expected([server], path="server"),
            audience="" if token else WHO,
            headers={"authorization": f"Bearer {token}"} if token else {},
        )
        return (await ask(WorkloadAPI(str(self.agent.workload_api)), request)).status

    def raw(self, path: str) -> int:
        """Ask for a path as it stands, which clients would make another one of."""
        connection = http.client.HTTPConnection("127.0.0.1", self.outbound, timeout=SECONDS)
        try:
            connection.request("GET", path, headers={"Host": HOST})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[tuple[Servers, list[Server]]]:
    """What starts programs, and those that are ended with the test."""
    servers, running = Servers(tmp_path), list[Server]()
    yield servers, running
    for each in running:
        servers.stop(each, abruptly=True)
    servers.close()


SHIPPED = {
    "agent": ("workloads/server", "base/outbound"),
    "files": ("base/envoy-files/server", "base/envoy-files/client"),
}
"""Where inner and outer Envoy have their SVIDs from, and their configurations for that."""


@pytest.fixture(params=["agent"])
async def way(
    request: pytest.FixtureRequest,
    real_spire_server: RealServer,
    programs: tuple[Servers, list[Server]],
    tmp_path: Path,
) -> AsyncIterator[Way]:
    servers, running = programs
    ports = {port: free_port() for port in (2223, 8080, 9443, 9444, 9901, 9902, 9911, 9912)}
    with SharedSpire.use(real_spire_server) as spire, RealAgent(real_spire_server) as agent:
        spire.put(
            types_pb2.Entry(
                spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/both"),
                parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=agent.id_path),
                selectors=[types_pb2.Selector(type="unix", value=f"uid:{os.getuid()}")],
                x509_svid_ttl=TTL_SECONDS,
            )
        )
        await asyncio.to_thread(agent.wait_for_identity, WHO)
        found = Way(agent, tmp_path, servers, ports[9443], ports[2223])
        (tmp_path / "policy.yaml").write_text(POLICY)
        (tmp_path / "svid").mkdir()
        source = WorkloadAPI(str(agent.workload_api))
        await asyncio.to_thread(write_files, tmp_path / "svid", await source.x509())
        async with background() as tasks:
            if request.param == "files":
                tasks.create_task(renew_files(tmp_path / "svid", source))
            for number, folder in enumerate(SHIPPED[request.param]):
                own = tmp_path / str(number)
                own.mkdir()
                for each in (DEPLOY / folder).glob("*.yaml"):
                    text = here(each.read_text(), found, ports, number * 10)
                    (own / each.name).write_text(text.replace("/etc/workload/", f"{own}/"))
                command = [str(envoy.required()), "-c", str(own / "envoy.yaml")]
                command += ["--disable-hot-restart", "--concurrency", "1"]
                running.append(servers.start(f"envoy-{number}", command))
            running.append(
                found.program("server", f"--listen=http=127.0.0.1:{ports[8080]}", "--client=any")
            )
            yield found


def write_files(folder: Path, answer: X509Answer) -> None:
    """Write the files of a volume of the node driver, as it writes them."""
    svids = tuple(X509SVID(each.spiffe_id, each.chain, each.key, "", 0.0) for each in answer.svids)
    wish = Wish(bundle_map="trust_bundles.json")
    files = files_of(Credentials(svids=svids, bundles=answer.authorities), wish)
    AtomicFolder(folder, Rights(os.getuid(), os.getgid(), 0o444, 0o440)).write(files)


async def renew_files(folder: Path, source: WorkloadAPI) -> None:
    """Have what the agent gives as files, always."""
    async for answer in source.follow_x509():
        await asyncio.to_thread(write_files, folder, answer)


def here(shipped: str, way: Way, ports: dict[int, int], admin: int) -> str:
    """A configuration as it is, but with the addresses and names of this machine."""
    text = shipped.replace("0.0.0.0", "127.0.0.1")
    for port in (9901, 9902):
        text = text.replace(f"port_value: {port}", f"port_value: {ports[port + admin]}")
    for port in (2223, 8080, 9443, 9444):
        text = text.replace(f"port_value: {port}", f"port_value: {ports[port]}")
    for name in (
        "example.org/topology/workload/server-files",
        "example.org/topology/workload/client-files",
        "example.org/topology/workload/server",
        "auxiliary.org/topology/workload/client",
    ):
        text = text.replace(f"spiffe://{name}", WHO)
    text = text.replace("server-files.spire", "server.spire").replace(
        "/run/svid", f"{way.folder}/svid"
    )
    text = text.replace("address: server.spire-workloads.svc", "address: 127.0.0.1")
    text = text.replace("/run/authorizer/authorizer.sock", f"{way.folder}/z")
    text = text.replace("/run/spire/agent/api.sock", str(way.agent.workload_api))
    # A connection ends before its certificate does, so that the next one needs a new one.
    limit = "common_http_protocol_options: {max_connection_duration: 1s}"
    return text.replace("stat_prefix: inbound\n", f"stat_prefix: inbound\n          {limit}\n")


async def test_what_passes_two_envoys_and_what_does_not(
    way: Way, programs: tuple[Servers, list[Server]]
) -> None:
    authorizer = way.authorizer()
    await eventually(lambda: passes(way), SECONDS)
    _, body = await way.through(**{"x-spiffe-id": "spiffe://example.org/forged"})
    assert json.loads(body)["client"] == WHO
    assert await way.direct() == 200
    with pytest.raises(Refused, match=f"it is {WHO}, not"):
        await way.direct(server="spiffe://example.org/other")
    agent = WorkloadAPI(str(way.agent.workload_api))
    assert await way.direct(token=await agent.token("somebody-else")) == 403
    assert await way.direct(token=altered(await agent.token(WHO))) == 403
    assert (await way.through("/admin"))[0] == 403
    assert (await way.through(authorization="Bearer x"))[0] == 403
    for path, status in (
        ("/public/../admin", 403),
        ("/public/%2e%2e/admin", 403),
        ("/public%2f..%2fadmin", 400),
        ("/public%5c..%5cadmin", 400),
        ("//public/./a", 200),
    ):
        assert await asyncio.to_thread(way.raw, path) == status, path
    # Without the authorizer nothing passes, neither out nor in.
    way.servers.stop(authorizer, abruptly=True)
    assert (await way.through())[0] == 503
    assert await way.direct() == 503
    programs[1].append(way.authorizer())
    await eventually(lambda: passes(way), SECONDS)


@pytest.mark.parametrize("way", [*SHIPPED], indirect=True)
async def test_nothing_fails_while_svids_rotate(
    way: Way, programs: tuple[Servers, list[Server]]
) -> None:
    programs[1].append(way.authorizer())
    await eventually(lambda: passes(way), SECONDS)
    agent, answers = WorkloadAPI(str(way.agent.workload_api)), list[int]()
    seen: dict[bytes, datetime] = {}

    async def load() -> None:
        while True:
            answers.append((await way.through())[0])
            answers.append(await way.direct())

    async def rotated() -> bool:
        """Three times; and whoever still used the first one would be refused."""
        leaf = (await agent.x509()).svids[0].chain[0]
        seen[leaf] = x509.load_der_x509_certificate(leaf).not_valid_after_utc
        return len(seen) > 3 and min(seen.values()) < datetime.now(UTC)

    async with background() as tasks:
        tasks.create_task(load())
        await eventually(rotated, 2 * SECONDS)
    assert set(answers) == {200}


async def passes(way: Way) -> bool:
    """Whether a request gets through both Envoys."""
    try:
        return (await way.through())[0] == 200
    except aiohttp.ClientError:
        return False
