"""The commands, as somebody types them."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hack.processes import free_port
from tests.support.waiting import until
from tests.support.workloads import CLIENT, SERVER, Agents, running_server
from topology.checks.token import read_token
from workloads.cli import main

ROOT = Path(__file__).resolve().parents[3]


async def command(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command in a process of its own; gives its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workloads",
        *(str(each) for each in arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


async def test_fetch_shows_and_writes_what_the_agent_gives(agents: Agents, tmp_path: Path) -> None:
    api, folder = agents.client, tmp_path / "svids"
    code, out, _ = await command(
        "client", "fetch", "--socket", api.socket_path, "--audience=me", "--write", folder, "--der"
    )
    assert code == 0
    assert f"SPIFFE ID     {CLIENT}" in out
    assert "bundle        auxiliary.org: 1 authority" in out
    assert f"  subject     {CLIENT}" in out
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.0.der",
        "federated_bundle.auxiliary.org.der",
        "svid.0.der",
        "svid.0.key",
    ]
    assert api.svid is not None
    written = x509.load_der_x509_certificate((folder / "svid.0.der").read_bytes())
    assert written == api.svid.certificate
    key = load_der_private_key((folder / "svid.0.key").read_bytes(), None)
    assert key.public_key() == written.public_key()
    assert stat.S_IMODE((folder / "svid.0.key").stat().st_mode) == 0o600
    # Once more, over what is there.
    where = ("--socket", api.socket_path, "--write", folder)
    assert (await command("client", "fetch", *where))[0] == 0
    assert (folder / "svid.0.pem").read_bytes() == api.svid.certificate_pem


async def test_fetch_gives_a_token_to_a_script(agents: Agents) -> None:
    where = ("--socket", agents.client.socket_path)
    code, out, _ = await command("client", "fetch", *where, "--audience=me", "--token")
    assert (code, read_token(out.strip()).audience) == (0, ("me",))


async def test_get_asks_whom_it_is_told_to(agents: Agents) -> None:
    async with running_server(agents.server, "mtls+jwt", CLIENT) as (url, _):
        given = (f"{url}/a", "--socket", agents.client.socket_path, "--audience", SERVER)
        code, out, errors = await command("client", "get", *given, "--server", SERVER)
        assert (code, json.loads(out)["client"]) == (0, CLIENT), errors
        other = "spiffe://example.org/other"
        code, out, errors = await command("client", "get", *given, "--server", other)
        assert (code, out) == (1, "")
        assert f"it is {SERVER}, not {other}" in errors
        without = (given[0], "--socket", agents.client.socket_path, "--server", SERVER)
        code, out, errors = await command("client", "get", *without)
        assert code == 1
        assert "status 403" in errors


@pytest.fixture
def ports() -> list[int]:
    return [free_port(), free_port()]


async def test_the_server_is_ready_with_its_identity_and_ends_when_told(
    agents: Agents, ports: list[int]
) -> None:
    port, health = ports
    agents.server.withdraw()
    arguments = ["server", f"--listen=mtls=127.0.0.1:{port}", "--client=any"]
    arguments += [f"--health=127.0.0.1:{health}", f"--socket={agents.server.socket_path}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workloads", *arguments, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        assert await status_of(health, "/healthz", 200) == "ok"
        assert "no entry yet" in await status_of(health, "/readyz", 503, wanted="no entry yet")
        agents.server.rotate()
        assert await status_of(health, "/readyz", 200) == "ok"
        given = (f"https://127.0.0.1:{port}", f"--socket={agents.client.socket_path}")
        code, out, errors = await command("client", "get", *given, f"--server={SERVER}")
        assert (code, json.loads(out or "{}").get("client")) == (0, CLIENT), errors
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_client_that_goes_on_is_ready_while_it_is_answered(
    agents: Agents, ports: list[int]
) -> None:
    health = ports[0]
    async with running_server(agents.server, "mtls", CLIENT) as (url, _):
        arguments = ["client", "get", url, f"--server={SERVER}", "--every=20ms"]
        arguments += [f"--socket={agents.client.socket_path}", f"--health=127.0.0.1:{health}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workloads", *arguments, cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert await status_of(health, "/readyz", 200) == "ok"
        assert (await process.stdout.readline()).startswith(b"200 ")
    try:
        # A line for what has changed, not for each answer.
        assert url.encode() in await process.stdout.readline()
        assert url in await status_of(health, "/readyz", 503)
    finally:
        process.kill()
        await process.wait()


async def test_the_authorizer_decides_on_a_unix_socket(
    agents: Agents, ports: list[int], tmp_path: Path
) -> None:
    policy, listen = tmp_path / "policy.yaml", tmp_path / "z"
    policy.write_text(f"egress: {{audiences: {{server: {SERVER}}}}}")
    arguments = ["authorizer", f"--policy={policy}", f"--listen={listen}"]
    arguments += [f"--health=127.0.0.1:{ports[0]}", f"--socket={agents.client.socket_path}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workloads", *arguments, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        assert await status_of(ports[0], "/readyz", 200) == "ok"
        connector = aiohttp.UnixConnector(str(listen))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://authorizer/egress/x", headers={"host": "server"}) as response,
        ):
            assert response.status == 200
            token = read_token(response.headers["authorization"].removeprefix("Bearer "))
        assert (token.subject, token.audience) == (CLIENT, (SERVER,))
        counted = await status_of(ports[0], "/metrics", 200)
        assert 'direction="egress",outcome="allowed"} 1.0' in counted
    finally:
        process.kill()
        await process.wait()


async def status_of(port: int, path: str, status: int, *, wanted: str = "") -> str:
    """What is said there once the answer is that one."""
    said: list[tuple[int, str]] = [(0, "")]

    async def look() -> None:
        async with aiohttp.ClientSession() as session:
            while not (said[0][0] == status and wanted in said[0][1]):
                try:
                    async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                        said[0] = (response.status, (await response.text()).strip())
                except aiohttp.ClientError:
                    said[0] = (0, "")
                await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(look())
        await until(task.done, 60)
    return said[0][1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["client", "get", "https://a", "--header=x", "--server=any"], "NAME: VALUE"),
        (["client", "get", "ftp://a", "--server=any"], "write https"),
        (["client", "get", "https://a"], "--server: '': say who may be there"),
        (["client", "get", "http://a", "--server=any"], "write https: over http"),
        (["client", "get", "http://a", "--audience=x"], "write https: over http"),
        (["client", "get", "https://a", "--through=b:1"], "write http: the proxy"),
        (["client", "get", "http://a", "--through=b"], "--through"),
        (["client", "get", "http://a", "--health=127.0.0.1:1"], "--every"),
        (["client", "fetch", "--token"], "exactly one --audience"),
        (["server", "--client=any"], "--listen"),
        (["server", "--listen=mtls=127.0.0.1:1"], "--client"),
        (["server", "--listen=mtls=127.0.0.1", "--client=any"], "HOST:PORT"),
        (["authorizer", "--listen=/tmp/x", "--policy=/nowhere"], "--policy: '/nowhere'"),
    ],
)
def test_a_mistake_is_named(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert why in capsys.readouterr().err


def test_without_an_agent_the_client_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = f"--socket={tmp_path / 'none'}"
    assert main(["client", "fetch", missing]) == 1
    assert os.fspath(tmp_path / "none") in capsys.readouterr().err
    assert main(["client", "get", "https://127.0.0.1:1", "--server=any", missing]) == 1
