"""A random walk through the static mode, with files that break, move and cannot be read."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from manager.process import Process
from registrar.settings.model import ControllerManager, StaticManifests
from tests.support.setup import embedded_setup, until
from tests.support.walk import SEEDS, Action, Walk


@dataclass
class StaticWalk(Walk):
    """Static entries in files."""

    folder: Path = Path()
    files: dict[str, str] = field(default_factory=dict)
    """The file of each object."""
    broken: set[str] = field(default_factory=set)
    is_away: bool = False

    def actions(self) -> list[Action]:
        return [
            self.apply,
            self.apply,
            self.delete,
            self.break_file,
            self.mend_file,
            self.move_object,
            self.move_file,
            self.take_folder_away,
            self.drift,
            self.refuse_writes,
            self.restart_spire,
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[object]:
        manifests = StaticManifests(self.folder)
        settings = replace(
            self.setup.settings,
            kubeconfig=None,
            controller_manager=ControllerManager(static_manifests=manifests),
        )
        process = Process(settings)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(process.run())
            if not self.is_away:
                await until(lambda: process.first_pass_is_over)
            yield process
            task.cancel()

    def is_in_doubt(self) -> bool:
        return bool(self.broken or self.is_away)

    async def mend(self) -> None:
        if self.is_away:
            await self.take_folder_away()
        for name in sorted(self.broken):
            self._write(name)
        self.broken.clear()

    def _write(self, name: str) -> None:
        """Write a file as the model has it; one without objects goes."""
        objects = sorted(obj for obj, file in self.files.items() if file == name)
        text = "---\n".join(manifest(obj, *self.objects[obj]) for obj in objects)
        if text:
            (self.folder / name).write_text(text)
        else:
            (self.folder / name).unlink(missing_ok=True)

    async def apply(self) -> None:
        name = f"o{self.random.randrange(5)}"
        file = self.files.get(name, f"f{self.random.randrange(3)}.yaml")
        if not self.is_away and file not in self.broken:
            wanted = self.wanted(name)
            self.moves(name, wanted[0])
            self.objects[name], self.files[name] = wanted, file
            self._write(file)

    async def delete(self) -> None:
        whole = [name for name, file in self.files.items() if file not in self.broken]
        if whole and not self.is_away:
            name = self.random.choice(sorted(whole))
            self.must.pop(name, None)
            del self.objects[name]
            self._write(self.files.pop(name))

    async def break_file(self) -> None:
        files = sorted(set(self.files.values()) - self.broken)
        if not files or self.is_away:
            return
        name = self.random.choice(files)
        path = self.folder / name
        text = path.read_text()
        wrong = [
            "kind: [",
            "",
            text[: len(text) // 2],
            text.replace('["unix:uid:0"]', '"unix:uid:0"'),
            text.replace('["unix:uid:0"]', '["nonsense"]'),
            text.replace("StaticEntry", "StaticEntri"),
            text.replace("metadata: {", "metadata: {generation: x, "),
        ]
        self.broken.add(name)
        path.write_text(self.random.choice(wrong))

    async def mend_file(self) -> None:
        if self.broken and not self.is_away:
            name = self.random.choice(sorted(self.broken))
            self.broken.discard(name)
            self._write(name)

    async def move_object(self) -> None:
        whole = [name for name, file in self.files.items() if file not in self.broken]
        target = f"f{self.random.randrange(3)}.yaml"
        if whole and not self.is_away and target not in self.broken:
            name = self.random.choice(sorted(whole))
            before, self.files[name] = self.files[name], target
            self._write(before)
            self._write(target)

    async def move_file(self) -> None:
        """A file gets another name; what is in it stays as it is."""
        files = sorted(set(self.files.values()))
        target = f"f{self.random.randrange(3)}.yaml"
        if not files or self.is_away or target in {*files, *self.broken}:
            return
        name = self.random.choice(files)
        (self.folder / name).rename(self.folder / target)
        self.files = {o: target if file == name else file for o, file in self.files.items()}
        if name in self.broken:
            self.broken = self.broken - {name} | {target}

    async def take_folder_away(self) -> None:
        """It cannot be read, or can again."""
        away = self.folder.with_name("away")
        if self.is_away:
            os.rename(away, self.folder)  # noqa: PTH104
        else:
            os.rename(self.folder, away)  # noqa: PTH104
        self.is_away = not self.is_away


def manifest(name: str, path: str, hint: str) -> str:
    return (
        "apiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\n"
        f"metadata: {{name: {name}}}\nspec:\n  spiffeID: {path}\n"
        f'  parentID: /agent\n  selectors: ["unix:uid:0"]\n  hint: "{hint}"\n'
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_static_mode_loses_nothing(seed: str, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    async with embedded_setup(tmp_path) as setup:
        await StaticWalk(setup, random.Random(seed), folder=folder).go()
