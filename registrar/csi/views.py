"""Volumes that show the folder of the Workload API's socket, for as long as they may."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from registrar.csi.ailments import NOT_SHOWN, Ailment
from registrar.csi.notices import Notices
from registrar.csi.refusals import NotReady
from registrar.csi.threads import in_thread
from registrar.csi.volume import Volume
from registrar.csi.workloadapi import Exposed, WorkloadAPIFolder
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_LOOK_SECONDS = 30.0
"""How often the folder is looked at, for what must not be in it."""


class Views:
    """The views of one node. ``folder`` None: there is no Workload API to show."""

    def __init__(self, folder: WorkloadAPIFolder | None, *, notices: Notices) -> None:
        self._folder = folder
        self._notices = notices
        self._volumes: dict[str, Volume] = {}
        self._problems: dict[str, str] = {}

    @property
    def is_possible(self) -> bool:
        """Whether there is a Workload API to show."""
        return self._folder is not None

    def problem(self, volume_id: str) -> str:
        """Why a volume does not show it now; empty where it does."""
        return self._problems.get(volume_id, "")

    async def show(self, volume: Volume) -> None:
        """Have the view there, and keep it from now on. Raises NotReady, Exposed, OSError."""
        if self._folder is None:
            raise NotReady(
                "the driver has no workload_api_socket_path: set it, or take the mode files"
            )
        self._volumes[volume.id] = volume
        try:
            await in_thread(self._folder.show, volume.path)
        except (Exposed, OSError) as error:
            self._refuse(volume, str(error))
            raise
        self._problems.pop(volume.id, None)
        if self._notices.end(volume, "it shows the Workload API"):
            log.info("a volume shows the Workload API again", extra=kv(volume=volume.id))

    def forget(self, volume_id: str) -> None:
        """Keep a view no more; whatever is mounted stays."""
        self._volumes.pop(volume_id, None)
        self._problems.pop(volume_id, None)

    async def keep(self, turn: Callable[[str], AbstractAsyncContextManager[object]]) -> None:
        """Now and then see that views may still be shown; put right those that were not.

        ``turn`` waits until nobody else is at a volume. A container that runs keeps what it has
        seen; one that starts sees nothing.
        """
        before = ""
        while self._folder is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._volumes:
                continue
            why = await in_thread(self._folder.why_exposed)
            for volume in list(self._volumes.values()):
                if why == before and not self.problem(volume.id):
                    continue
                async with turn(volume.id):
                    if self._volumes.get(volume.id) == volume:
                        with contextlib.suppress(Exposed, OSError):
                            await self.show(volume)
            before = why

    def _refuse(self, volume: Volume, why: str) -> None:
        """Say once why a volume is not shown, however often the kubelet asks for it."""
        self._problems[volume.id] = why
        if self._notices.begin(volume, Ailment(NOT_SHOWN, why)):
            log.error("a volume cannot show the Workload API", extra=kv(volume=volume.id, why=why))
