"""The controller manager's static mode: manifests from a folder, and no cluster at all."""

import asyncio
import logging
import os
from typing import NoReturn, TypeVar

from api.codec import JSONObject
from api.core import ObjectReference
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from manager.caches.folder import FolderCaches
from manager.modes.static import static
from manager.names import HEALTH_KEY, metrics_key
from manager.spire import SpireSide
from manager.term import NO_ENTRIES, Term
from registrar.claims.instance import Instance, Records
from registrar.claims.ownership import Ownership, Prefixes, static_prefixes
from registrar.manifests.folder import Folder
from registrar.settings.manager import expand_environment
from registrar.settings.model import Settings, StaticManifests
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


class NoCluster:
    """Stands where the API server would be: nothing is written, Events go to the log."""

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Never called."""
        _no_cluster(kind, str(key))

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:
        """Never called: nothing is recorded without a cluster."""
        _no_cluster(kind, obj.metadata.name + namespace)

    async def merge_patch(
        self, kind: Kind[T], key: ObjectKey, patch: JSONObject, *, subresource: str = ""
    ) -> T:
        """Never called."""
        _no_cluster(kind, f"{key} {subresource} {len(patch)}")

    async def delete(
        self, kind: Kind[T], key: ObjectKey, *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Never called."""
        _no_cluster(kind, f"{key} {uid} {resource_version}")

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """Say it in the log."""
        level = logging.WARNING if type == "Warning" else logging.INFO
        log.log(level, message, extra=kv(object=regarding.name, reason=reason))


def _no_cluster(kind: Kind[T], what: str) -> NoReturn:
    raise RuntimeError(f"there is no cluster for {kind.kind} {what}")


class StaticProcess:
    """One registrar without a cluster. ``run`` works until cancelled."""

    def __init__(self, settings: Settings, manifests: StaticManifests) -> None:
        config = settings.controller_manager
        if config is None:
            raise TypeError("the static mode is one of the controller manager's")
        configured = settings.entry_id_prefix
        self._prefixes = (
            Prefixes(configured)
            if configured
            else static_prefixes(settings.cluster, settings.class_name)
        )
        self._settings = settings
        self._cleanup = config.entry_id_prefix_cleanup
        self._metrics = Metrics()
        self._objects = FolderCaches(config.reconciled)
        self._mode = static(config, settings.class_name, self._objects)
        environment = dict(os.environ)
        self._folder = Folder(
            manifests.path,
            expand=(lambda text: expand_environment(text, environment)[0])
            if manifests.expand_env
            else (lambda text: text),
        )
        self._term: Term | None = None
        self._metrics.on_refresh(self._count_entries)
        self.port = 0
        """The port of metrics and probes, once ``run`` listens."""

    @property
    def first_pass_is_over(self) -> bool:
        """Whether every object was looked at once."""
        return self._term is not None and self._term.ready.is_set()

    async def run(self) -> None:
        """Work until cancelled. Raises InvalidField for what only a start can find wrong."""
        settings, metrics = self._settings, self._metrics
        heartbeat, checks = Heartbeat(metrics), Checks()
        for warning in settings.warnings:
            log.warning(warning)
        spire = SpireSide(settings, metrics=metrics, is_leading=lambda: True)
        checks.add("manifests", lambda: self._folder.problem)
        checks.add("spire", spire.problem)
        checks.add("first-pass", lambda: None if self.first_pass_is_over else "looking at all once")
        async with (
            serve(
                settings.metrics_addr,
                metrics=metrics,
                checks=checks,
                heartbeat=heartbeat,
                field=metrics_key(settings),
            ) as health,
            serve(
                settings.health_addr or "0",
                metrics=metrics,
                checks=checks,
                heartbeat=heartbeat,
                field=HEALTH_KEY,
            ) as probes,
            spire.connected(),
            asyncio.TaskGroup() as tasks,
        ):
            self.port = health.port or probes.port
            tasks.create_task(heartbeat.run())
            tasks.create_task(spire.watch())
            while not await self._folder.look():  # noqa: ASYNC110 - files tell nobody
                # A folder that cannot be read says nothing of what should be.
                await asyncio.sleep(1.0)
            self._objects.take(self._folder)
            tasks.create_task(self._folder.run(lambda: self._objects.take(self._folder)))
            is_configured = settings.entry_id_prefix is not None
            ownership = Ownership(self._prefixes.current, is_configured, self._cleanup)
            async with spire.term(ownership) as side:
                cluster = NoCluster()
                # Nothing is recorded, so nobody is told which of several this is.
                records = Records(Instance("static").label, "", self._mode.made)
                self._term = Term(
                    self._mode,
                    settings=settings,
                    kube=cluster,
                    events=cluster,
                    spire=side,
                    metrics=metrics,
                    prefixes=self._prefixes,
                    records=records,
                )
                try:
                    await self._term.run()
                finally:
                    self._term = None

    def _count_entries(self) -> None:
        counts = NO_ENTRIES if self._term is None else self._term.entry_counts()
        for state, number in counts.items():
            self._metrics.spire.entries(state, number)
