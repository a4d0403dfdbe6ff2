"""The steps from a peer to this registrar: it is stopped first, and ours takes its entries over.

What keeps the entries is the order: nobody writes to the SPIRE server between the peer's end and
our start, and ours adopts each entry that something asks for under the ID that it has. Whatever is
changed is kept in the folder before, so that ``wayback`` can put it back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID
from manager.migrate import definitions, kept, swap
from manager.migrate.kept import BACK, REPLACED, SAVED, WRITTEN, Kept, KeptObject
from manager.migrate.objects import CONFIG_MAP, CRD, KINDS, Objects
from manager.migrate.reading import at, key_of, mapping, text
from manager.migrate.rollout import Rollout
from manager.migrate.steps import SO_ALREADY, Step
from manager.migrate.survey import Survey
from manager.migrate.waiting import NotInTime
from registrar.kube.errors import NotFound

Works = Callable[[], Awaitable[str]]
"""Waits until our registrar works; gives what it found. Raises NotInTime."""


class Change:
    """The steps of one migration. ``kept`` is what the folder holds of what was there before."""

    def __init__(
        self,
        objects: Objects,
        survey: Survey,
        record: Kept,
        *,
        folder: Path,
        image: str,
        timeout_seconds: float | None,
        works: Works,
    ) -> None:
        self._objects = objects
        self._survey = survey
        self._kept = record
        self._folder = folder
        self._image = image
        self._works = works
        self._place = survey.installation.place
        self._rollout = Rollout(objects, survey.installation, timeout_seconds=timeout_seconds)
        self._ours = swap.ours(survey.installation, image)

    def steps(self) -> list[Step]:
        """All of them, in order."""
        return [*self._steps()]

    def _steps(self) -> Iterator[Step]:
        survey, place = self._survey, self._place
        roles = survey.roles()
        names = ", ".join(key_of(document).name for document in survey.definitions())
        if names and not survey.changes_kinds:
            yield Step(f"Apply our definitions of {names}", self._definitions)
        if roles:
            title = f"Give the service account {survey.account} the rights of {_names(roles)}"
            yield Step(title, self._roles)
        if survey.given and survey.config.entry:
            config = survey.config
            title = f"Put the file that was given into ConfigMap {config.key}, as {config.entry}"
            yield Step(title, self._configuration)
        if not survey.installation.is_sidecar:
            title = f"Stop {survey.installation.peer.name}: {place.workload} gets no Pods"
            yield Step(f"{title}, and wait until the last one is gone", self._stop)
        elif survey.installation.overlaps or survey.changes_kinds:
            # Who runs while its kind goes takes all objects for deleted, and their entries too.
            title = f"Stop {survey.installation.peer.name}: take container {place.container} out of"
            yield Step(f"{title} {place.workload}, and wait until no Pod has it", self._take_out)
        if survey.changes_kinds:
            yield Step("Save the peer's objects in the folder", self._save)
            title = f"Replace the peer's definitions of {names}, with their objects"
            yield Step(f"{title}, by ours", self._replace)
            yield Step("Write the objects anew that people had written", self._write)
        verb = "Swap" if survey.installation.is_sidecar else "Start ours: swap"
        title = f"{verb} container {place.container} of {place.workload} for {self._image}"
        yield Step(f"{title}, and wait until its Pods are ready", self._start)
        yield Step("Wait until our registrar works and has nothing left to change", self._works)

    async def _definitions(self) -> str:
        for definition in self._survey.definitions():
            await self._keep(CRD.kind, definition)
            await definitions.install(self._objects, definition)
        return "they are served"

    async def _roles(self) -> str:
        for document in self._survey.roles():
            kind = KINDS[text(document["kind"])]
            await self._keep(kind.kind, document)
            await self._objects.put(kind, document, key_of(document))
        return "bound"

    async def _configuration(self) -> str:
        config = self._survey.config
        there = await self._objects.get(CONFIG_MAP, config.key)
        if there is None:
            raise NotFound(f"ConfigMap {config.key} is not there any more", 404, "NotFound")
        if at(there, "data", config.entry) == config.text:
            return SO_ALREADY
        await self._keep(CONFIG_MAP.kind, there)

        def changed(document: JSONObject) -> JSONObject:
            data: JSONObject = {**mapping(document.get("data")), config.entry: config.text}
            return {**document, "data": data}

        await self._objects.change(CONFIG_MAP, config.key, changed)
        return "written"

    async def _stop(self) -> str:
        if await self._is_swapped():
            return "ours runs there already"
        await self._rollout.stop(self._old_image)
        return "none of its Pods is left"

    async def _take_out(self) -> str:
        if await self._is_swapped():
            return "ours runs there already"
        await self._rollout.take_out(self._old_image)
        return "no Pod has it any more"

    async def _start(self) -> str:
        is_sidecar = self._survey.installation.is_sidecar
        await self._rollout.start(self._ours, None if is_sidecar else self._kept.replicas)
        return "its Pods are ready"

    async def _save(self) -> str:
        if SAVED in self._kept.done:
            return SO_ALREADY
        saved: list[JSONObject] = []
        for name in definitions.REPLACED:
            definition = await self._kept_definition(name)
            if definition is not None:
                saved += await definitions.objects_of(self._objects, definition)
        self._kept.custom = saved
        await self._done(SAVED)
        return f"{len(saved)} saved"

    async def _replace(self) -> str:
        if REPLACED in self._kept.done:
            return SO_ALREADY
        for definition in self._survey.definitions():
            old = await self._objects.get(CRD, key_of(definition))
            if old is not None:
                await definitions.remove(self._objects, old)
            await definitions.install(self._objects, definition)
        freed = await definitions.free_pods(self._objects)
        self._kept.forget(*BACK)
        await self._done(REPLACED)
        return f"replaced; {freed} Pods had its finalizer, which is taken off"

    async def _write(self) -> str:
        if WRITTEN in self._kept.done:
            return SO_ALREADY
        name = CLUSTER_SPIFFE_ID.resource
        (definition,) = (d for d in self._survey.definitions() if key_of(d).name == name)
        people = definitions.of_people(self._kept.custom)
        wanted = [definitions.without_finalizers(document) for document in people]
        number = await definitions.write_anew(self._objects, definition, wanted)
        await self._done(WRITTEN)
        return f"{number} written"

    async def _kept_definition(self, name: str) -> JSONObject | None:
        """The peer's definition of that name, kept first; None where there is none."""
        stand_in: JSONObject = {"metadata": {"name": name}}
        await self._keep(CRD.kind, stand_in)
        return await self._objects.get(CRD, key_of(stand_in))

    async def _is_swapped(self) -> bool:
        there = await self._objects.get(self._place.of, self._place.key)
        if there is None:
            raise NotInTime(f"{self._place.workload} is not there any more")
        found = self._place.container_in(there)
        return found is not None and found.get("image") == self._image

    @property
    def _old_image(self) -> str:
        return text(self._survey.installation.container.get("image"))

    async def _keep(self, kind: str, document: JSONObject) -> None:
        """Keep how an object is before it is changed."""
        key = key_of(document)
        before = await self._objects.get(KINDS[kind], key)
        if self._kept.keep(KeptObject(kind, key.namespace, key.name, before)):
            await asyncio.to_thread(kept.write, self._folder, self._kept)

    async def _done(self, what: str) -> None:
        await kept.mark(self._folder, self._kept, what)


def _names(documents: list[JSONObject]) -> str:
    return ", ".join(dict.fromkeys(key_of(document).name for document in documents))
