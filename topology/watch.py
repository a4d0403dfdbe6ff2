"""Follows the Pods and workloads of modules, with what is not ready and why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from api.kinds import Kind
from api.meta import KubeObject
from registrar.kube.reflector import Change, Reflector
from registrar.kube.session import Session
from registrar.kube.store import Store
from topology import labels
from topology.kinds import POD, WORKLOADS, Pod, Workload
from topology.modules import Module
from topology.reasons import Crash, crashes, why_not_ready

T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True)
class Picture:
    """How one module is at a moment."""

    ready: int
    wanted: int
    waiting: tuple[tuple[str, str], ...]
    """Pods, or workloads that have no Pod yet, and why."""
    crashes: tuple[Crash, ...]

    @property
    def is_ready(self) -> bool:
        """Whether all of it is there and ready."""
        return self.wanted > 0 and self.ready >= self.wanted and not self.waiting


class Watched:
    """Modules on a cluster; made by ``watching``."""

    def __init__(self, prefix: str) -> None:
        self.changed = asyncio.Event()
        self._prefix = prefix
        self._pods: Store[Pod] = Store()
        self._workloads: list[Store[Workload]] = [Store() for _ in WORKLOADS]

    def reflectors(self, session: Session) -> list["Reflector[Pod] | Reflector[Workload]"]:
        """Who keeps it right."""
        kinds = zip(WORKLOADS, self._workloads, strict=True)
        return [
            self._reflector(session, POD, self._pods),
            *(self._reflector(session, kind, store) for kind, store in kinds),
        ]

    async def synced(self) -> None:
        """Wait until all is known."""
        await self._pods.synced.wait()
        for store in self._workloads:
            await store.synced.wait()

    def pods(self, module: Module) -> list[Pod]:
        """The module's Pods, without those of tests."""
        return sorted(
            (
                pod
                for pod in self._pods.values()
                if _is_of(pod, module) and pod.metadata.labels.get(labels.NAME) != labels.CHECK
            ),
            key=lambda pod: _rank(pod, module),
        )

    def picture(self, module: Module) -> Picture:
        """How it is now."""
        pods = self.pods(module)
        waiting = [(pod.metadata.name, why) for pod in pods if (why := why_not_ready(pod))]
        ready = wanted = 0
        for store in self._workloads:
            for each in store.values():
                if not _is_of(each, module):
                    continue
                ready += min(each.ready, each.wanted)
                wanted += each.wanted
                is_seen = each.status.observed_generation >= each.metadata.generation
                if (each.ready < each.wanted or not is_seen) and not waiting:
                    waiting.append((each.metadata.name, "has too few Pods yet"))
        return Picture(ready, wanted, tuple(waiting), tuple(crashes(pods)))

    def _reflector(self, session: Session, kind: Kind[T], store: Store[T]) -> Reflector[T]:
        def look(_: Change[T]) -> None:
            self.changed.set()

        return Reflector(
            session=session,
            kind=kind,
            store=store,
            on_change=look,
            label_selector=f"{labels.PART_OF_KEY}={self._prefix}{labels.PART_OF}",
        )


def _rank(pod: Pod, module: Module) -> tuple[int, int, str]:
    """Whom others wait for comes first: the servers in their order, each before its agents."""
    found = pod.metadata.labels
    servers = [server.name for server in module.servers]
    kinds = [labels.SPIRE_SERVER, labels.SPIRE_AGENT]
    server, name = found.get(labels.SERVER, ""), found.get(labels.NAME, "")
    return (
        servers.index(server) if server in servers else len(servers),
        kinds.index(name) if name in kinds else len(kinds),
        pod.metadata.name,
    )


def _is_of(each: KubeObject, module: Module) -> bool:
    is_there = each.metadata.namespace == module.namespace
    return is_there and each.metadata.labels.get(labels.MODULE) == module.name


@asynccontextmanager
async def watching(session: Session, prefix: str = "") -> AsyncIterator[Watched]:
    """Follow all modules of a topology until the block ends."""
    watched = Watched(prefix)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in watched.reflectors(session)]
        try:
            yield watched
        finally:
            for task in tasks:
                task.cancel()
