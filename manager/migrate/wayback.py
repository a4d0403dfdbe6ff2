"""The steps back from this registrar to the peer: ours is stopped first here too."""

from collections.abc import Iterator
from pathlib import Path

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey
from manager.migrate import definitions, kept
from manager.migrate.installation import Installation
from manager.migrate.kept import (
    DEFINITIONS_BACK,
    OURS_SAVED,
    THERE,
    UNDONE,
    WRITTEN,
    Kept,
    KeptObject,
)
from manager.migrate.objects import CONFIG_MAP, CRD, KINDS, Objects
from manager.migrate.reading import at, key_of, mapping, portable, text
from manager.migrate.rollout import Rollout
from manager.migrate.steps import SO_ALREADY, Step
from manager.migrate.waiting import NotInTime


class WayBack:
    """The steps that undo one migration, by what its folder kept."""

    def __init__(
        self,
        objects: Objects,
        installation: Installation,
        record: Kept,
        *,
        folder: Path,
        timeout_seconds: float | None,
    ) -> None:
        self._objects = objects
        self._installation = installation
        self._kept = record
        self._folder = folder
        self._place = record.place
        self._rollout = Rollout(objects, installation, timeout_seconds=timeout_seconds)

    def steps(self) -> list[Step]:
        """All of them, in order."""
        return [*self._steps()]

    def _steps(self) -> Iterator[Step]:
        place, peer = self._place, self._kept.peer
        if not self._installation.is_sidecar:
            title = f"Stop our registrar: {place.workload} gets no Pods"
            yield Step(f"{title}, and wait until the last one is gone", self._stop)
        elif self._installation.overlaps or self._kept.custom_kinds:
            # Who runs while its kind goes takes all objects for deleted, and their entries too.
            title = f"Stop our registrar: take container {place.container} out of {place.workload}"
            yield Step(f"{title}, and wait until no Pod has it", self._take_out)
        for each in self._kept.objects:
            if each.before is not None and each.kind == CRD.kind and self._kept.custom_kinds:
                continue
            if step := self._back(each):
                yield step
        if self._kept.custom_kinds:
            title = "Put the peer's definitions and their objects back"
            yield Step(title, self._definitions_back)
        title = f"Put container {place.container} of {place.workload} back as {peer} had it"
        yield Step(f"{title}, and wait until its Pods are ready", self._start)

    def _back(self, each: KeptObject) -> Step | None:
        """What puts one object back; None for a definition that was new, which stays."""
        key = ObjectKey(each.namespace, each.name)
        title = f"{each.kind} {key if key.namespace else key.name}"
        kind, before = KINDS[each.kind], each.before

        async def remove() -> str:
            if await self._objects.get(kind, key) is None:
                return SO_ALREADY
            await self._objects.delete(kind, key)
            return "deleted"

        async def put() -> str:
            await self._objects.put(kind, portable(before or {}), key)
            return "as it was"

        async def put_entry() -> str:
            entry = self._kept.config_entry
            value = at(before, "data", entry)

            def changed(there: JSONObject) -> JSONObject:
                return {**there, "data": {**mapping(there.get("data")), entry: value}}

            await self._objects.change(CONFIG_MAP, key, changed)
            return "as it was"

        if before is not None:
            is_file = each.kind == CONFIG_MAP.kind
            return Step(f"Put {title} back as it was", put_entry if is_file else put)
        if each.kind == CRD.kind:
            # Another registrar may keep its objects there by now.
            return None
        return Step(f"Delete {title}, which was not there before", remove)

    async def _stop(self) -> str:
        if await self._is_back():
            return "the peer runs there already"
        await self._rollout.stop(await self._image())
        return "none of its Pods is left"

    async def _take_out(self) -> str:
        if await self._is_back():
            return "the peer runs there already"
        await self._rollout.take_out(await self._image())
        return "no Pod has it any more"

    async def _definitions_back(self) -> str:
        if DEFINITIONS_BACK in self._kept.done:
            return SO_ALREADY
        await self._save_ours()
        for each in self._kept.objects:
            if each.kind == CRD.kind and each.before is not None:
                await self._put_definition_back(each.before)
        self._kept.forget(*THERE)
        await self._done(DEFINITIONS_BACK)
        return f"{len(self._kept.custom)} objects written anew"

    async def _save_ours(self) -> None:
        """Keep what people wrote since, for the peer is to see it too."""
        if OURS_SAVED in self._kept.done:
            return
        name = CLUSTER_SPIFFE_ID.resource
        now = await self._objects.get(CRD, ObjectKey("", name))
        if now is not None:
            self._kept.later = await definitions.objects_of(self._objects, now)
        await self._done(OURS_SAVED)

    async def _put_definition_back(self, old: JSONObject) -> None:
        now = await self._objects.get(CRD, key_of(old))
        if now is not None:
            await definitions.remove(self._objects, now)
        await definitions.install(self._objects, portable(old))
        kind = text(at(old, "spec", "names", "kind"))
        before = [each for each in self._kept.custom if text(each.get("kind")) == kind]
        written = before
        if key_of(old).name == CLUSTER_SPIFFE_ID.resource:
            made = [each for each in before if not definitions.is_by_a_person(each)]
            written = [*made, *map(definitions.without_finalizers, self._of_people())]
        await definitions.write_anew(self._objects, old, written)
        await definitions.restore_status(self._objects, old, before)

    def _of_people(self) -> list[JSONObject]:
        """The ClusterSpiffeIds that people have written, as they are now.

        Those that were not written anew under our kind are there as they were.
        """
        later = definitions.of_people(self._kept.later)
        if WRITTEN in self._kept.done:
            return later
        names = {key_of(each).name for each in later}
        before = definitions.of_people(self._kept.custom)
        return [*(each for each in before if key_of(each).name not in names), *later]

    async def _start(self) -> str:
        is_sidecar = self._installation.is_sidecar
        replicas = None if is_sidecar else self._kept.replicas
        await self._rollout.start(self._kept.container, replicas)
        await self._done(UNDONE)
        return "its Pods are ready"

    async def _done(self, what: str) -> None:
        await kept.mark(self._folder, self._kept, what)

    async def _is_back(self) -> bool:
        there = await self._workload()
        found = self._place.container_in(there)
        image = self._kept.container.get("image")
        return found is not None and found.get("image") == image

    async def _image(self) -> str:
        found = self._place.container_in(await self._workload())
        return "" if found is None else text(found.get("image"))

    async def _workload(self) -> JSONObject:
        there = await self._objects.get(self._place.of, self._place.key)
        if there is None:
            raise NotInTime(f"{self._place.workload} is not there any more")
        return there
