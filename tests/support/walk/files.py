"""Static entries in files, in a walk: files that break, move and cannot be read."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.walk.actor import Action
from tests.support.walk.model import Model


@dataclass
class Files:
    """The files of one folder."""

    model: Model
    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    """The file of each object."""
    broken: set[str] = field(default_factory=set)
    is_away: bool = False
    is_only_said = False

    async def begin(self) -> None:
        """There is a folder."""
        self.folder.mkdir()

    def actions(self) -> list[Action]:
        """What happens to files."""
        edits = [self.apply, self.apply, self.delete, self.break_file, self.mend_file]
        moves = [self.move_object, self.move_file, self.take_folder_away]
        return [*edits, *moves, self.rename_and_break]

    def is_in_doubt(self) -> bool:
        """Whether some file cannot be read."""
        return bool(self.broken or self.is_away)

    async def mend(self) -> None:
        """Write what is broken anew."""
        if self.is_away:
            await self.take_folder_away()
        for name in sorted(self.broken):
            self._write(name)
        self.broken.clear()

    async def apply(self) -> None:
        """Write an object anew or edit it."""
        name = f"o{self.model.random.randrange(5)}"
        file = self.files.get(name, f"f{self.model.random.randrange(3)}.yaml")
        if not self.is_away and file not in self.broken:
            self.model.asks(name, *self._some(name))
            self.files[name] = file
            self._write(file)

    async def delete(self) -> None:
        """Take an object out of its file."""
        whole = [name for name, file in self.files.items() if file not in self.broken]
        if whole and not self.is_away:
            name = self.model.random.choice(sorted(whole))
            self.model.goes(name)
            self._write(self.files.pop(name))

    async def break_file(self) -> None:
        """Write what is no YAML, half of it, or what has not the shape of its kind."""
        files = sorted(set(self.files.values()) - self.broken)
        if not files or self.is_away:
            return
        name = self.model.random.choice(files)
        path = self.folder / name
        text = path.read_text()
        wrong = ["kind: [", "", text[: len(text) // 2], *_misspelt(text)]
        self.broken.add(name)
        number = self.model.random.randrange(len(wrong))
        self.model.note(f"{name} is broken in way {number}")
        path.write_text(wrong[number])

    async def rename_and_break(self) -> None:
        """An object gets another name and goes wrong in one edit: nobody said that it goes."""
        whole = [name for name, file in self.files.items() if file not in self.broken]
        free = sorted({f"o{number}" for number in range(5)} - self.files.keys())
        if not whole or not free or self.is_away:
            return
        old, new = self.model.random.choice(sorted(whole)), self.model.random.choice(free)
        file = self.files.pop(old)
        self.files[new] = file
        self.model.becomes(old, new)
        number = self.model.random.randrange(_WAYS)
        self.model.note(f"and is wrong in way {number}")
        self.broken.add(file)
        (self.folder / file).write_text(_misspelt(self._text(file))[number])

    async def mend_file(self) -> None:
        """Write a broken file anew."""
        if self.broken and not self.is_away:
            name = self.model.random.choice(sorted(self.broken))
            self.model.note(f"{name} is mended")
            self.broken.discard(name)
            self._write(name)

    async def move_object(self) -> None:
        """An object goes to another file."""
        whole = [name for name, file in self.files.items() if file not in self.broken]
        target = f"f{self.model.random.randrange(3)}.yaml"
        if whole and not self.is_away and target not in self.broken:
            name = self.model.random.choice(sorted(whole))
            self.model.note(f"{name} moves to {target}")
            before, self.files[name] = self.files[name], target
            self._write(before)
            self._write(target)

    async def move_file(self) -> None:
        """A file gets another name; what is in it stays as it is."""
        files = sorted(set(self.files.values()))
        target = f"f{self.model.random.randrange(3)}.yaml"
        if not files or self.is_away or target in {*files, *self.broken}:
            return
        name = self.model.random.choice(files)
        self.model.note(f"{name} becomes {target}")
        (self.folder / name).rename(self.folder / target)
        self.files = {o: target if file == name else file for o, file in self.files.items()}
        if name in self.broken:
            self.broken = self.broken - {name} | {target}

    async def take_folder_away(self) -> None:
        """It cannot be read, or can again."""
        self.model.note("the folder comes back" if self.is_away else "the folder goes away")
        away = self.folder.with_name("away")
        if self.is_away:
            os.rename(away, self.folder)  # noqa: PTH104 - at once, as a mount is
        else:
            os.rename(self.folder, away)  # noqa: PTH104 - at once, as a mount is
        self.is_away = not self.is_away

    def _write(self, name: str) -> None:
        """Write a file as the model has it; one without objects goes."""
        text = self._text(name)
        if text:
            (self.folder / name).write_text(text)
        else:
            (self.folder / name).unlink(missing_ok=True)

    def _text(self, name: str) -> str:
        objects = sorted(obj for obj, file in self.files.items() if file == name)
        return "---\n".join(_manifest(obj, *self.model.wanted[obj]) for obj in objects)

    def _some(self, name: str) -> tuple[str, str]:
        path = self.model.some_path(name)
        if self.model.chance(0.2):
            path = self.model.shared_path("file")
        return path, self.model.random.choice(["", "x"])


_WAYS = 4


def _misspelt(text: str) -> list[str]:
    """YAML whose objects are wrong, in some ways."""
    return [
        text.replace('["unix:uid:0"]', '"unix:uid:0"'),
        text.replace('["unix:uid:0"]', '["nonsense"]'),
        text.replace("StaticEntry", "StaticEntri"),
        text.replace("metadata: {", "metadata: {generation: x, "),
    ]


def _manifest(name: str, path: str, hint: str) -> str:
    return (
        "apiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\n"
        f"metadata: {{name: {name}}}\nspec:\n  spiffeID: {path}\n"
        f'  parentID: /agent\n  selectors: ["unix:uid:0"]\n  hint: "{hint}"\n'
    )
