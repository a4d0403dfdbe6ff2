"""Brings modules up, and waits until they are ready."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from api.codec import JSONObject
from registrar.kube.session import Session
from topology.components import NONE, Chosen
from topology.discovery import Cluster
from topology.kubectl import Kubectl
from topology.manifests import Manifests, ObjectID, objects_of
from topology.modules import Module
from topology.naming import prefixed
from topology.program import Exit
from topology.progress import Progress
from topology.report import report
from topology.watch import Watched, watching

_LOOK_SECONDS = 1.0
_PASSING = frozenset({"annotations", "managedFields", "resourceVersion"})


class Start:
    """One start of some modules, in their order."""

    def __init__(
        self,
        session: Session,
        kubectl: Kubectl,
        manifests: Manifests,
        progress: Progress,
        components: Chosen = NONE,
    ) -> None:
        self._session = session
        self._kubectl = kubectl
        self._manifests = manifests
        self._progress = progress
        self._components = components

    async def run(self, modules: Sequence[Module], timeout_seconds: float | None) -> Exit:
        """Apply and wait; on the limit or a crash say what is wrong. Raises KubectlError."""
        prefix = modules[0].prefix if modules else ""
        async with watching(self._session, prefix) as watched:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._kubectl.apply(await self._kubectl.render(self._manifests.crds))
                    await watched.synced()
                    changes = {module.name: await self._apply(module) for module in modules}
                    for module in modules:
                        if not await self._ready(watched, module):
                            await self._report(watched, [module])
                            return Exit.FAILED
                        self._say_ready(watched, module, changes[module.name])
            except TimeoutError:
                self._progress.say(f"the time is over ({self._progress.clock()})")
                await self._report(watched, modules)
                return Exit.TIME_LIMIT
        return Exit.DONE

    async def _apply(self, module: Module) -> int:
        """Apply a module; gives how many of its objects that has made or changed."""
        components = [self._manifests.component(each) for each in self._components.of(module)]
        rendered = prefixed(
            await self._kubectl.render(self._manifests.module(module.name), components),
            module.prefix,
        )
        cluster, objects = Cluster(self._session), objects_of(rendered)
        before = _contents(await cluster.read(objects))
        await self._kubectl.apply(rendered)
        after = _contents(await cluster.read(objects))
        return sum(before.get(each) != content for each, content in after.items())

    async def _ready(self, watched: Watched, module: Module) -> bool:
        """Wait until the module is ready; False as soon as one of its containers has crashed."""
        while True:
            watched.changed.clear()
            picture = watched.picture(module)
            if picture.crashes and not picture.is_ready:
                return False
            if picture.is_ready:
                return True
            self._progress.show(module.name, picture)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await watched.changed.wait()

    def _say_ready(self, watched: Watched, module: Module, changes: int) -> None:
        picture = watched.picture(module)
        said = f"{changes} objects made or changed" if changes else "nothing to change"
        self._progress.say(
            f"{module.name} is ready: {picture.ready}/{picture.wanted} Pods · {said} · "
            f"{self._progress.clock()}"
        )

    async def _report(self, watched: Watched, modules: Sequence[Module]) -> None:
        for module in modules:
            if not watched.picture(module).is_ready:
                async for line in report(self._session, watched, module):
                    self._progress.say(line)


def _contents(objects: Mapping[ObjectID, JSONObject]) -> dict[ObjectID, bytes]:
    """What of each object people and manifests write: not status, nor what SPIRE publishes."""
    return {each: _content(document) for each, document in objects.items()}


def _content(document: JSONObject) -> bytes:
    metadata = document.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    notes = about.get("annotations")
    annotations = notes if isinstance(notes, dict) else {}
    kept = {key: value for key, value in document.items() if key not in {"status", "metadata"}}
    if document.get("kind") == "ConfigMap" and str(about.get("name")).endswith(_PUBLISHED):
        kept.pop("data", None)
    kept["metadata"] = {key: value for key, value in about.items() if key not in _PASSING}
    kept["annotations"] = {key: value for key, value in annotations.items() if key != _APPLIED}
    return msgspec.json.encode(kept, order="sorted")


_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PUBLISHED = ("-bundle", "-bundle-pem")
