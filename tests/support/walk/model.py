"""What a walk knows beside the servers: who asks for what, and what must be served meanwhile."""

import random
from dataclasses import dataclass, field

PREFIX = "/w-"
"""What the paths of a walk begin with; aliases and others' entries are not of the walk."""


@dataclass
class Model:
    """``wanted`` are path and hint by who asks for them."""

    random: random.Random
    wanted: dict[str, tuple[str, str]] = field(default_factory=dict)
    must: dict[str, set[str]] = field(default_factory=dict)
    """Paths of which one must be served at every moment, by who has them."""
    births: int = 0
    steps: list[str] = field(default_factory=list)
    """What happened so far, for whoever looks for the cause of a failure."""

    def chance(self, probability: float) -> bool:
        """Whether something happens that does so with this probability."""
        return self.random.random() < probability

    def note(self, step: str) -> None:
        """Note what happens now."""
        self.steps.append(step)

    def some_path(self, name: str) -> str:
        """A path for somebody; who comes anew has none that he had in an earlier life.

        Else nobody could tell the entry of then, which goes, from the one that is to come.
        """
        known = self.wanted.get(name, ("", ""))[0].rpartition("-")[0]
        if not known.startswith(f"{PREFIX}{name}-"):
            self.births += 1
            known = f"{PREFIX}{name}-{self.births}"
        return f"{known}-{self.random.randrange(3)}"

    def shared_path(self, name: str) -> str:
        """A path that several ask for; another one once nobody does any more."""
        path = f"{PREFIX}{name}-shared-{self.births}"
        found = {p for p, _ in self.wanted.values() if p.startswith(f"{PREFIX}{name}-shared-")}
        if found:
            return min(found)
        self.births += 1
        return path

    def asks(self, name: str, path: str, hint: str = "") -> None:
        """Somebody asks for this from now on; what it had serves until that is set."""
        self.note(f"{name} asks for {path} {hint}".rstrip())
        if name in self.must:
            self.must[name].add(path)
        self.wanted[name] = path, hint

    def goes(self, name: str) -> None:
        """Somebody asks for nothing any more."""
        self.note(f"{name} goes")
        self.must.pop(name, None)
        del self.wanted[name]

    def becomes(self, old: str, new: str) -> None:
        """Somebody has another name from now on."""
        self.note(f"{old} becomes {new}")
        self.wanted[new] = self.wanted.pop(old)
        if old in self.must:
            self.must[new] = self.must.pop(old)

    def expected(self) -> dict[str, set[str]]:
        """Hints that are right, by path: any owner's where two disagree."""
        found: dict[str, set[str]] = {}
        for path, hint in self.wanted.values():
            found.setdefault(path, set()).add(hint)
        return found

    def rests(self) -> None:
        """All is as it should be: that is what everybody must keep."""
        self.must = {name: {path} for name, (path, _) in self.wanted.items()}

    def loses(self, path: str) -> None:
        """Somebody else took an entry away, so nobody has it until it is made anew."""
        self.must = {name: paths for name, paths in self.must.items() if path not in paths}
