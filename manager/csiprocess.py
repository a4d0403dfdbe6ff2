"""The node driver's process: everything that ``spire-registrar csi`` runs."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Literal

from api.core import ObjectReference
from api.kinds import POD
from manager.names import USER_AGENT
from registrar.csi.driver import registered, serve_csi
from registrar.csi.identity import DRIVER_NAME
from registrar.csi.mounts import LinuxMounts
from registrar.csi.node import NodeService
from registrar.csi.notices import Sayer
from registrar.csi.records import Records
from registrar.csi.registration import NOT_ASKED
from registrar.csi.volume import PodInfo
from registrar.csi.volumes import Limits, Volumes
from registrar.kube.client import KubeClient
from registrar.kube.recorder import EventRecorder
from registrar.kube.session import connect as connect_kubernetes
from registrar.settings.csi import CSISettings
from registrar.spire.background import background
from registrar.spire.delegated import connect
from registrar.telemetry.csimetrics import CSIMetrics
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_THREADS = 2
"""For mounts and files: more would only wait for the same lock."""
_SPARED_SECONDS = 30.0
"""An agent that is there again so soon was updated or restarted: the driver stays ready."""


class _PodEvents:
    """Events on Pods."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def warn(self, pod: PodInfo, reason: str, message: str) -> None:
        """As ``notices.Sayer``."""
        self._emit(pod, "Warning", reason, message)

    def inform(self, pod: PodInfo, reason: str, message: str) -> None:
        """As ``notices.Sayer``."""
        self._emit(pod, "Normal", reason, message)

    def _emit(
        self, pod: PodInfo, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        reference = ObjectReference(
            api_version=POD.api_version,
            kind=POD.kind,
            namespace=pod.namespace,
            name=pod.name,
            uid=pod.uid,
        )
        self._recorder.emit(reference, type=kind, reason=reason, message=message)


class _Log:
    """The same in the log alone."""

    def warn(self, pod: PodInfo, reason: str, message: str) -> None:
        """As ``notices.Sayer``."""
        log.warning("a Pod's volume is not well", extra=_about(pod, reason, message))

    def inform(self, pod: PodInfo, reason: str, message: str) -> None:
        """As ``notices.Sayer``."""
        log.info("a Pod's volume is well again", extra=_about(pod, reason, message))


def _about(pod: PodInfo, reason: str, message: str) -> dict[str, object]:
    return kv(pod=f"{pod.namespace}/{pod.name}", reason=reason, why=message)


class CSIProcess:
    """One driver. ``port`` is that of metrics and probes, once they are served."""

    def __init__(self, settings: CSISettings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._checks = Checks()
        self.port = 0

    async def run(self) -> None:
        """Work until cancelled. Raises InvalidField for a socket that cannot be had."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        settings, metrics, checks = self._settings, self._metrics, self._checks
        observer = CSIMetrics(metrics.registry, metrics.on_refresh)
        heartbeat = Heartbeat(metrics)
        async with AsyncExitStack() as stack:
            health = await stack.enter_async_context(
                serve(settings.metrics_addr, metrics=metrics, checks=checks, heartbeat=heartbeat)
            )
            self.port = health.port
            agent = None
            if settings.agent_admin_socket is not None:
                agent = await stack.enter_async_context(
                    connect(settings.agent_admin_socket, reopened=observer.stream_reopened)
                )
                gate = agent.gate
                checks.add("agent", lambda: gate.why_shut(_SPARED_SECONDS))
                observer.watch_agent(lambda: gate.is_open)
            sayer = await stack.enter_async_context(self._sayer())
            tasks = await stack.enter_async_context(background())
            tasks.create_task(heartbeat.run())
            volumes = Volumes(
                agent=agent,
                mounts=LinuxMounts(below=settings.kubelet_dir / "pods"),
                records=Records(settings.data_dir, kubelet_dir=settings.kubelet_dir),
                node_name=settings.node_name,
                workload_api=settings.workload_api_socket,
                secrets=settings.secrets,
                limits=Limits(
                    first_svid=settings.first_svid_timeout, agent_away=settings.agent_away
                ),
                observer=observer,
                sayer=sayer,
            )
            observer.watch(volumes)
            checks.add("volumes", lambda: _taken_up(volumes))
            if settings.registration_dir is not None:
                checks.add("registration", lambda: NOT_ASKED)
            tasks.create_task(volumes.run())
            node = NodeService(
                volumes,
                node_name=settings.node_name,
                kubelet_dir=settings.kubelet_dir,
                observer=observer,
            )
            await volumes.taken_up.wait()
            await stack.enter_async_context(
                serve_csi(
                    settings.csi_socket,
                    node=node,
                    version=await asyncio.to_thread(version, "spire-registrar"),
                )
            )
            stack.callback(volumes.end_waiting)
            if settings.registration_dir is not None:
                registration = await stack.enter_async_context(
                    registered(settings.registration_dir, settings.endpoint)
                )
                checks.add("registration", lambda: registration.problem)
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _sayer(self) -> AsyncIterator[Sayer]:
        """Events where they are wanted; an API server that is away stops nothing."""
        if not self._settings.events:
            yield _Log()
            return
        async with (
            connect_kubernetes(
                self._settings.kubeconfig,
                context=self._settings.context,
                user_agent=USER_AGENT,
                observer=self._metrics,
            ) as session,
            background() as tasks,
        ):
            recorder = EventRecorder(
                KubeClient(session),
                DRIVER_NAME,
                socket.gethostname(),
                node=self._settings.node_name,
                observer=self._metrics,
            )
            tasks.create_task(recorder.run())
            yield _PodEvents(recorder)


def _taken_up(volumes: Volumes) -> str | None:
    return None if volumes.taken_up.is_set() else "volumes are being taken up"
