"""The side of a registrar without a cluster: the controller manager's static mode."""

import asyncio
import logging
import os

from api.core import ObjectReference
from controllers.ports import Events
from manager.caches.folder import FolderCaches
from manager.modes.static import static
from manager.side import Beginning, Work
from manager.spire import SpireSide
from registrar.claims.instance import Instance, Records
from registrar.claims.ownership import Ownership, Prefixes, static_prefixes
from registrar.manifests.folder import Folder
from registrar.settings.manager import expand_environment
from registrar.settings.model import ControllerManager, Settings, StaticManifests
from registrar.telemetry.health import Checks
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class LoggedEvents:
    """Stands where Events would go: says them in the log."""

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """Say it."""
        level = logging.WARNING if type == "Warning" else logging.INFO
        log.log(level, message, extra=kv(object=regarding.name, reason=reason))


class FolderSide:
    """The files of one folder. There is one process, which may always write."""

    webhooks = None
    session = None
    leaders = ""

    def __init__(
        self, settings: Settings, config: ControllerManager, manifests: StaticManifests
    ) -> None:
        configured, class_name = settings.entry_id_prefix, settings.class_name
        if configured:
            self._prefixes = Prefixes(configured)
        else:
            self._prefixes = static_prefixes(settings.cluster, class_name)
        self._owns = Ownership(
            self._prefixes.current, configured is not None, config.entry_id_prefix_cleanup
        )
        environment = dict(os.environ)
        self._folder = Folder(
            manifests.path,
            expand=(lambda text: expand_environment(text, environment))
            if manifests.expand_env
            else (lambda text: text),
        )
        self._objects = FolderCaches(config.reconciled, trust_domain=settings.trust_domain)
        self.mode = static(config, class_name, self._objects)

    def add_checks(self, checks: Checks) -> None:
        """The folder must be readable."""
        checks.add("manifests", lambda: self._folder.problem)

    def may_write(self) -> bool:
        """Always."""
        return True

    def is_standby(self) -> bool:
        """Never."""
        return False

    def prefix_state(self) -> str:
        """None of them: nobody else is asked."""
        return ""

    async def run(self, spire: SpireSide, work: Work) -> None:  # noqa: ARG002 - the protocol's
        """Work once the folder was read; follow it until cancelled."""
        while (beginning := await self.begin(LoggedEvents())) is None:  # noqa: ASYNC110 - files tell nobody
            # A folder that cannot be read says nothing of what should be.
            await asyncio.sleep(_LOOK_SECONDS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._folder.run(self._take))
            await work(beginning)

    @property
    def problem(self) -> str | None:
        """Why the folder cannot be read, or None."""
        return self._folder.problem

    def sizes(self) -> dict[str, int]:
        """How many objects of each kind there are."""
        objects = self._objects
        return {
            cache.kind.resource: len(cache.store)
            for cache in (objects.static_entries, objects.trust_domains)
            if cache.is_read
        }

    async def begin(self, events: Events) -> Beginning | None:
        """Read the folder, and give what the work begins with; None where it cannot be read."""
        if not await self._folder.look():
            return None
        self._take()
        # Nothing is recorded, so nobody is told which of several this is.
        records = Records(Instance("static").label, "", self.mode.made)
        return Beginning(self._prefixes, records, self._owns, None, events)

    def _take(self) -> None:
        self._objects.take(self._folder)
