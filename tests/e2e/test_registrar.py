"""The command as it runs in a cluster: its own process, its own rights, the real API server."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from devcluster.spire.server import SpireServer
from hack.control_plane import ControlPlane
from manager.commands.lifecycle import EXIT_LEADERSHIP_LOST
from tests.support import leaks
from tests.support.control_plane import REGISTRAR
from tests.support.setup import eventually, until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """\
cluster            = "test"
trust_domain       = "example.org"
server_socket_path = "{socket}"
metrics_addr       = "127.0.0.1:0"
drift_interval     = "1s"
log_path           = "{log}"
log_level          = "debug"
"""
ELECTION = """\
leader_election                = true
leader_election_namespace      = "spire"
leader_election_lease_duration = "8s"
leader_election_renew_deadline = "6s"
leader_election_retry_period   = "200ms"
"""
WEB = """\
apiVersion: spiffeid.spiffe.io/v1beta1
kind: ClusterSpiffeId
metadata: {name: web}
spec:
  spiffeId: spiffe://example.org/web
  selector: {podLabel: {app: web}}
"""


class World:
    """The real API server with config/default applied, and a SPIRE server."""

    def __init__(self, plane: ControlPlane, spire: SpireServer, folder: Path) -> None:
        self.plane = plane
        self.spire = spire
        self.folder = folder

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as admin."""
        return await asyncio.to_thread(self.plane.run_kubectl, *arguments, stdin=stdin)

    def ids(self) -> list[str]:
        """Paths of the entries, the alias left out."""
        paths = [entry.spiffe_id.path for entry in self.spire.state.entries()]
        return sorted(path for path in paths if not path.endswith("/node"))

    @contextlib.asynccontextmanager
    async def registrar(
        self, name: str, extra: str = ""
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the command with the rights of the manifests' service account."""
        log = self.folder / f"{name}.log"
        configuration = self.folder / f"{name}.conf"
        text = CONFIGURATION.format(socket=self.folder / "spire.sock", log=log)
        configuration.write_text(text + extra, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "manager",
            "run",
            "--config",
            str(configuration),
            "--kubeconfig",
            str(self.plane.kubeconfig_for(REGISTRAR.user, REGISTRAR.groups)),
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            leaks.assert_none("\n".join(self.log(name)))

    async def holder(self) -> str:
        """Who holds the Lease, or the empty text."""
        text = await self.kubectl(
            "get", "leases", "-n", "spire", "-o", "jsonpath={.items[*].spec.holderIdentity}"
        )
        return text.strip()

    async def until_held(self) -> None:
        """Wait until somebody holds the Lease."""

        async def is_held() -> bool:
            return bool(await self.holder())

        await eventually(is_held)

    async def records(self) -> str:
        """All objects of ours as they are, versions included."""
        kinds = "clusterspiffeids.spiffeid.spiffe.io,spireentries.spiffeid.spiffe.io"
        return await self.kubectl("get", kinds, "-o", "yaml")

    async def recorded(self) -> int:
        """How many entries have their record, the registrar's own among them."""
        ids = ("-o", "jsonpath={.items[*].status.entryId}")
        return len((await self.kubectl("get", "spireentries.spiffeid.spiffe.io", *ids)).split())

    async def leases(self) -> str:
        """The Lease of the replicas as it is."""
        return await self.kubectl("get", "leases", "-n", "spire", "-o", "yaml")

    async def until_settled(self, *names: str) -> None:
        """Wait until these and no others have their entries, and nothing is left to write."""
        await until(lambda: self.ids() == sorted(f"/{name}" for name in names))
        for name in names:
            kind = f"clusterspiffeids.spiffeid.spiffe.io/{name}"
            await self.kubectl("wait", "--for=condition=Ready", "--timeout=60s", kind)
        before = ""

        async def is_quiet() -> bool:
            nonlocal before
            seen, before = before, await self.records()
            if await self.recorded() != len(names) + 1:
                return False
            looks = self.spire.calls["ListEntries"]
            await until(lambda: self.spire.calls["ListEntries"] > looks + 1)
            return seen == before

        await eventually(is_quiet)

    def log(self, name: str) -> list[str]:
        """The lines that a process logged."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8").splitlines()


@pytest_asyncio.fixture
async def world(real_control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[World]:
    """Everything deployed but the Deployment's Pods, for nothing schedules them here."""
    async with SpireServer.serve(socket_path=tmp_path / "spire.sock") as spire:
        made = World(real_control_plane, spire, tmp_path)
        await made.kubectl("apply", "-k", str(ROOT / "config" / "default"))
        await made.kubectl(
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd/clusterspiffeids.spiffeid.spiffe.io",
            "crd/spireentries.spiffeid.spiffe.io",
        )
        yield made
        for kind in ("clusterspiffeids.spiffeid.spiffe.io", "spireentries.spiffeid.spiffe.io"):
            await made.kubectl("delete", kind, "--all", "--wait=false")


async def test_an_applied_object_gives_the_spire_entry(world: World) -> None:
    async with world.registrar("one"):
        await world.kubectl("apply", "-f", "-", stdin=WEB)
        await world.kubectl(
            "wait",
            "--for=condition=Ready",
            "--timeout=60s",
            "clusterspiffeids.spiffeid.spiffe.io/web",
        )
        assert world.ids() == ["/web"]
        shown = await world.kubectl("get", "clusterspiffeids.spiffeid.spiffe.io")
        header, row = shown.splitlines()
        assert header.split("  ")[0] == "NAME"
        assert "SPIFFE ID" in header
        assert "spiffe://example.org/web" in row
        (entry,) = [e for e in world.spire.state.entries() if e.spiffe_id.path == "/web"]
        assert entry.id in row
        assert "True" in row
        await world.kubectl("delete", "clusterspiffeids.spiffeid.spiffe.io", "web")
        await until(lambda: world.ids() == [])


async def test_the_api_server_refuses_what_a_rule_forbids(world: World) -> None:
    async def refused(change: str, says: str) -> None:
        document = WEB.replace("spiffeId: spiffe://example.org/web", change)
        with pytest.raises(Exception, match="(?s)" + says):
            await world.kubectl("apply", "-f", "-", stdin=document)

    await refused("spiffeId: spiffe://example.org/spire/server", "reserved")
    await refused("spiffeId: spiffe://example.org/a/../b", "'.' and '..'")
    await refused("spiffeId: https://example.org/a", "spec.spiffeId")
    await refused("spiffeId: spiffe://example.org/a\n  ttl: -1", "spec.ttl")
    await refused("spiffeId: spiffe://example.org/a\n  dnsNames: ['a b']", r"spec.dnsNames\[0\]")


async def test_another_registrar_takes_over_when_the_leader_dies(world: World) -> None:
    async with world.registrar("one", ELECTION) as one:
        await world.until_held()
        first = await world.holder()
        async with world.registrar("two", ELECTION):
            await world.kubectl("apply", "-f", "-", stdin=WEB)
            await until(lambda: world.ids() == ["/web"])
            one.send_signal(signal.SIGKILL)
            await world.kubectl("delete", "clusterspiffeids.spiffeid.spiffe.io", "web")

            async def is_taken() -> bool:
                return await world.holder() not in {"", first}

            await eventually(is_taken)
            await until(lambda: world.ids() == [])


async def test_a_leader_that_is_stopped_in_order_hands_over_at_once(world: World) -> None:
    long = ELECTION.replace('"8s"', '"60s"').replace('"6s"', '"40s"')
    async with world.registrar("one", long) as one, world.registrar("two", long):
        await world.until_held()
        first = await world.holder()
        one.terminate()
        assert await one.wait() == 0
        await world.kubectl("apply", "-f", "-", stdin=WEB)
        await until(lambda: world.ids() == ["/web"])
        assert first


async def test_a_paused_leader_ends_when_it_wakes_up_and_writes_nothing(world: World) -> None:
    async with world.registrar("one", ELECTION) as one:
        await world.until_held()
        first = await world.holder()
        await world.kubectl("apply", "-f", "-", stdin=WEB)
        # A write that is just being sent when the process stops would be sent on when it wakes up.
        await world.until_settled("web")
        one.send_signal(signal.SIGSTOP)
        async with world.registrar("two", ELECTION) as two:

            async def is_taken() -> bool:
                return await world.holder() not in {"", first}

            await eventually(is_taken)
            await world.kubectl("apply", "-f", "-", stdin=WEB.replace("web", "shop"))
            await world.until_settled("web", "shop")
            entries, records = world.spire.state.entries(), await world.records()
            writes = world.spire.writes.total()
            one.send_signal(signal.SIGCONT)
            assert await one.wait() == EXIT_LEADERSHIP_LOST
            assert world.spire.writes.total() == writes
            assert world.spire.state.entries() == entries
            assert await world.records() == records
            assert two.returncode is None
            said = [line for line in world.log("one") if "leadership was lost" in line]
            assert len(said) == 1
            # It depends on which of its two Leases it looks at first.
            assert "was not renewed in time" in said[0] or "is held by" in said[0]


async def test_a_paused_leader_writes_nothing_when_it_wakes_up_though_nobody_took_its_lease(
    world: World,
) -> None:
    async with world.registrar("one", ELECTION) as one:
        await world.until_held()
        await world.kubectl("apply", "-f", "-", stdin=WEB)
        await world.until_settled("web")
        one.send_signal(signal.SIGSTOP)
        # All that it would act on is waiting for it when it wakes up.
        await world.kubectl("apply", "-f", "-", stdin=WEB.replace("web", "shop"))
        await world.kubectl("delete", "clusterspiffeids.spiffeid.spiffe.io", "web")
        leases, records = await world.leases(), await world.records()
        over = time.monotonic() + 9.0  # longer than the Lease lasts
        await until(lambda: time.monotonic() > over)
        writes = world.spire.writes.total()
        one.send_signal(signal.SIGCONT)
        assert await one.wait() == EXIT_LEADERSHIP_LOST
        assert world.spire.writes.total() == writes
        assert world.ids() == ["/web"]
        assert await world.records() == records
        assert await world.leases() == leases
    async with world.registrar("again", ELECTION):
        await until(lambda: world.ids() == ["/shop"])


def test_a_wrong_configuration_stops_the_start_with_the_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.conf"
    wrong.write_text('cluster = "a"\ntrust_domain = "Upper"\nclustr = "b"\n', encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "manager", "run", "--config", str(wrong)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ.copy(),
    )
    assert finished.returncode == 2
    assert "wrong.conf:2" in finished.stderr
    assert "'Upper'" in finished.stderr
    assert "wrong.conf:3" in finished.stderr
    assert "did you mean cluster?" in finished.stderr
    assert "server_socket_path" in finished.stderr
