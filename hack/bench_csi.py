"""The node driver with a node full of volumes: stand-in kubelet, embedded agent, real mounts."""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import grpc

from api.proto import delegatedidentity_pb2, delegatedidentity_pb2_grpc, types_pb2
from devcluster.kubelet import InlineVolume, Kubelet, driver_configuration
from devcluster.mounts import mounts_below, unmount_below
from devcluster.spire.agent import Agent
from devcluster.spire.server import SpireServer
from hack.bench_figures import Figure, percentiles

_Stream: TypeAlias = grpc.aio.UnaryStreamCall[
    delegatedidentity_pb2.SubscribeToX509SVIDsRequest,
    delegatedidentity_pb2.SubscribeToX509SVIDsResponse,
]

_DRIVER = "csi.spire.io"
_LOOK_SECONDS = 0.0005
_LONGEST_SECONDS = 30.0


class CSIBench:
    """Measures one node with so many volumes."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self.figures: list[Figure] = []
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Measure everything."""
        folder = self._folder
        async with (
            SpireServer.serve(socket_path=folder / "server.sock") as spire,
            Agent.serve(
                spire.state, spire.authority, admin_socket=folder / "admin.sock", sync_seconds=60.0
            ) as agent,
            Kubelet.start(folder / "kubelet") as kubelet,
        ):
            volumes = [
                InlineVolume(folder / "kubelet", f"pod-{number}") for number in range(self._number)
            ]
            entries = [spire.state.put(_entry(volume)) for volume in volumes]
            agent.sync()
            await self._floor(agent, volumes)
            try:
                async with self._driver() as driver:
                    await kubelet.registered(_DRIVER)
                    await self._one_at_a_time(kubelet, volumes)
                    await self._rotations(agent, entries, volumes)
                    self._memory(driver, f"memory of the driver with {self._number} volumes, MB")
                    driver.send_signal(signal.SIGKILL)
                    await driver.wait()
                kubelet.plugins.clear()
                await self._restart(agent, kubelet, volumes)
            finally:
                await asyncio.to_thread(unmount_below, folder)

    async def _floor(self, agent: Agent, volumes: Sequence[InlineVolume]) -> None:
        """The agent's own: from a subscription to its first message, and a rotation of all."""
        self._say("the agent alone")
        seconds: list[float] = []
        streams: list[_Stream] = []
        async with grpc.aio.insecure_channel(f"unix:{self._folder}/admin.sock") as channel:
            stub = delegatedidentity_pb2_grpc.DelegatedIdentityStub(channel)
            for volume in volumes:
                request = delegatedidentity_pb2.SubscribeToX509SVIDsRequest(
                    selectors=[_selector(volume)]
                )
                began = time.monotonic()
                stream = stub.SubscribeToX509SVIDs(request)
                await stream.read()
                seconds.append(time.monotonic() - began)
                streams.append(stream)
            self.figures.append(percentiles("agent's first message (floor)", "", seconds))
            agent.rotate()
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                arriving = [tasks.create_task(_arrived(stream, began)) for stream in streams]
            for stream in streams:
                stream.cancel()
        seconds = [task.result() for task in arriving]
        self.figures.append(percentiles(f"… all {len(volumes)} rotated (floor)", "", seconds))

    async def _one_at_a_time(self, kubelet: Kubelet, volumes: Sequence[InlineVolume]) -> None:
        self._say(f"{len(volumes)} volumes, one at a time, then all at once")
        seconds = [await _timed(kubelet, volume) for volume in volumes]
        self.figures.append(
            percentiles("kubelet's call → files are there", "p99 ≤ 50 ms + floor", seconds)
        )
        for volume in volumes:
            await kubelet.unpublish(_DRIVER, volume)
        left = await asyncio.to_thread(mounts_below, self._folder)
        if left:
            self.wrong.append(f"{len(left)} mounts are left")
        async with asyncio.TaskGroup() as tasks:
            timing = [tasks.create_task(_timed(kubelet, volume)) for volume in volumes]
        seconds = [task.result() for task in timing]
        self.figures.append(percentiles(f"… {len(volumes)} at once", "", seconds))
        mounts = await asyncio.to_thread(mounts_below, self._folder)
        if len(mounts) != len(volumes):
            self.wrong.append(f"{len(mounts)} mounts for {len(volumes)} volumes")

    async def _rotations(
        self, agent: Agent, entries: Sequence[types_pb2.Entry], volumes: Sequence[InlineVolume]
    ) -> None:
        self._say("rotations, one at a time, then all at once")
        seconds = []
        for entry, volume in zip(entries, volumes, strict=True):
            seconds += await self._until_changed([volume], lambda e=entry: agent.rotate(e.id))  # type: ignore[misc]
        self.figures.append(percentiles("agent rotates → files are there", "≤ 100 ms", seconds))
        seconds = await self._until_changed(volumes, agent.rotate)
        self.figures.append(percentiles(f"… {len(volumes)} at once", "≤ 100 ms + floor", seconds))

    async def _until_changed(
        self, volumes: Sequence[InlineVolume], rotate: Callable[[], None]
    ) -> list[float]:
        """How long after a rotation the files of each volume are others."""
        links = {
            volume.target / "..data": (volume.target / "..data").readlink() for volume in volumes
        }
        rotate()
        began, seconds = time.monotonic(), []
        while links:
            for link, before in list(links.items()):
                if link.readlink() != before:
                    seconds.append(time.monotonic() - began)
                    del links[link]
            if time.monotonic() - began > _LONGEST_SECONDS:
                self.wrong.append(f"{len(links)} volumes were not rotated")
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return seconds

    def _memory(self, driver: Process, name: str) -> None:
        status = Path(f"/proc/{driver.pid}/status").read_text(encoding="ascii")
        found = dict(line.split(":", 1) for line in status.splitlines())
        values = {
            name: round(int(found[key].split()[0]) * 1024 / 1e6, 1)
            for name, key in (
                ("resident", "VmRSS"),
                ("highest", "VmHWM"),
                ("without mapped files", "RssAnon"),
            )
        }
        self.figures.append(Figure(name, "≤ 80 MB", 1, values))

    async def _restart(
        self, agent: Agent, kubelet: Kubelet, volumes: Sequence[InlineVolume]
    ) -> None:
        """After a kill: until the driver follows every volume again; the files stay."""
        self._say("a restart after a kill")
        links = [volume.target / "..data" for volume in volumes]
        before = [link.readlink() for link in links]
        # The agent notices the end of the old streams by itself.
        while agent.streams:  # noqa: ASYNC110 - a counter tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        began = time.monotonic()
        async with self._driver() as driver:
            await kubelet.registered(_DRIVER)
            ready = time.monotonic() - began
            while agent.streams < len(volumes) + 1:  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(_LOOK_SECONDS)
            followed = time.monotonic() - began
            rewritten = sum(link.readlink() != old for link, old in zip(links, before, strict=True))
            await self._until_changed(volumes, agent.rotate)
            self._memory(driver, "… restarted, after a rotation of each")
        values = {
            "registered, s": round(ready, 2),
            "all streams, s": round(followed, 2),
            "volumes rewritten": float(rewritten),
        }
        name = f"start with {len(volumes)} volumes after a kill"
        self.figures.append(Figure(name, "0 rewritten", 1, values))
        if rewritten:
            self.wrong.append(f"{rewritten} volumes were rewritten by a restart")

    @contextlib.asynccontextmanager
    async def _driver(self) -> AsyncIterator[Process]:
        configuration = self._folder / "csi.conf"
        log = f'log_path = "{self._folder}/driver.log"\n'
        text = driver_configuration(self._folder, "node-1") + log
        configuration.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "manager", "csi", "--config", str(configuration)
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    @staticmethod
    def _say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def _timed(kubelet: Kubelet, volume: InlineVolume) -> float:
    began = time.monotonic()
    await kubelet.publish(_DRIVER, volume)
    return time.monotonic() - began


async def _arrived(stream: _Stream, began: float) -> float:
    await stream.read()
    return time.monotonic() - began


def _selector(volume: InlineVolume) -> types_pb2.Selector:
    return types_pb2.Selector(type="k8s", value=f"pod-uid:{volume.uid}")


def _entry(volume: InlineVolume) -> types_pb2.Entry:
    return types_pb2.Entry(
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=f"/{volume.pod}"),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/spire/agent/a"),
        selectors=[_selector(volume)],
    )


async def measure_csi(number: int) -> CSIBench:
    """Measure a node with so many volumes."""
    with tempfile.TemporaryDirectory(prefix="csi-") as name:
        bench = CSIBench(Path(name), number)
        await bench.run()
        return bench
