"""Kinds whose objects ask for one entry each, in a walk."""

from collections.abc import Callable
from dataclasses import dataclass, field

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID, CLUSTER_STATIC_ENTRY, SPIFFE_ID, Kind
from api.meta import KubeObject
from tests.support.walk.actor import Action
from tests.support.walk.model import Model
from tests.support.walk.servers import Servers


@dataclass(frozen=True)
class Declares:
    """How a kind says what it asks for. ``wrong`` are specs that mean nothing, to be merged."""

    kind: Kind[KubeObject]
    namespace: str
    spec: Callable[[str, str], JSONObject]
    wrong: tuple[JSONObject, ...]


STATIC_ENTRIES = Declares(
    CLUSTER_STATIC_ENTRY,
    "",
    lambda path, hint: {
        "spiffeID": path,
        "parentID": "/agent",
        "selectors": ["unix:uid:0"],
        "hint": hint,
    },
    ({"spiffeID": "spiffe://other.test/x"}, {"selectors": "unix:uid:0"}),
)
_SELECTS: JSONObject = {"namespace": "default", "podLabel": {"app": "w"}}
CLUSTER_SPIFFE_IDS = Declares(
    CLUSTER_SPIFFE_ID,
    "",
    lambda path, hint: {
        "spiffeId": f"spiffe://example.org{path}",
        "selector": _SELECTS,
        "hint": hint,
    },
    ({"spiffeId": "spiffe://other.test/x"}, {"selector": "app=w"}),
)
SPIFFE_IDS = Declares(
    SPIFFE_ID,
    "default",
    lambda path, hint: {
        "spiffeId": f"spiffe://example.org{path}",
        "parentId": "spiffe://example.org/spire/server",
        "selector": _SELECTS,
        "hint": hint,
    },
    ({"spiffeId": "spiffe://other.test/x"}, {"selector": "app=w"}),
)


@dataclass
class Declared:
    """The objects of one kind."""

    model: Model
    servers: Servers
    declares: Declares
    mine: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    is_only_said = False

    async def begin(self) -> None:
        """Let the schema take anything."""
        await self.servers.serve(self.declares.kind, served=True)

    def actions(self) -> list[Action]:
        """Edits, deletions, and what is wrong."""
        everything = [self.apply, self.apply, self.delete, self.break_one, self.mend_one]
        return [*everything, self.serve]

    def is_in_doubt(self) -> bool:
        """Whether one is broken, or the kind is not there."""
        return bool(self.broken) or self._is_unserved()

    async def mend(self) -> None:
        """Serve the kind and correct the objects."""
        if self._is_unserved():
            await self.serve()
        while self.broken:
            await self.mend_one()

    async def apply(self) -> None:
        """Write one anew or edit it."""
        name = f"{self.declares.kind.kind.lower()}{self.model.random.randrange(4)}"
        if not self._is_unserved() and name not in self.broken:
            await self._write(name, *self._some(name))

    async def delete(self) -> None:
        """Delete one, broken or not."""
        if self.mine and not self._is_unserved():
            name = self._one_of(self.mine)
            self.model.goes(name)
            self.mine.discard(name)
            self.broken.discard(name)
            await self.servers.setup.client.delete(self._path(name))

    async def break_one(self) -> None:
        """Write what SPIRE cannot have, or what has not the shape of its kind."""
        if self.mine and not self._is_unserved():
            name = self._one_of(self.mine)
            wrong = self.model.random.choice(self.declares.wrong)
            self.model.note(f"{name} is broken: {wrong}")
            self.broken.add(name)
            await self.servers.setup.client.merge(self._path(name), {"spec": wrong})

    async def mend_one(self) -> None:
        """Correct one, to what it asked for before or to something else."""
        if self.broken and not self._is_unserved():
            name = self._one_of(self.broken)
            wanted = self.model.wanted[name] if self.model.chance(0.5) else self._some(name)
            await self._write(name, *wanted)
            self.broken.discard(name)

    async def serve(self) -> None:
        """The version of the kind is served no more, or again."""
        kind, served = self.declares.kind, self._is_unserved()
        self.model.note(f"{kind.resource} {'is served again' if served else 'is not served'}")
        await self.servers.serve(kind, served=served)

    async def _write(self, name: str, path: str, hint: str) -> None:
        self.model.asks(name, path, hint)
        self.mine.add(name)
        kind, namespace = self.declares.kind, self.declares.namespace
        metadata: JSONObject = {"name": name, **({"namespace": namespace} if namespace else {})}
        await self.servers.setup.client.apply(
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": metadata,
                "spec": self.declares.spec(path, hint),
            }
        )

    def _some(self, name: str) -> tuple[str, str]:
        """A path and a hint; some objects ask for one entry together."""
        path = self.model.some_path(name)
        if self.model.chance(0.2):
            path = self.model.shared_path(self.declares.kind.kind.lower())
        return path, self.model.random.choice(["", "x"])

    def _is_unserved(self) -> bool:
        return self.declares.kind.kind in self.servers.unserved

    def _one_of(self, names: set[str]) -> str:
        return self.model.random.choice(sorted(names))

    def _path(self, name: str) -> str:
        return self.declares.kind.path(self.declares.namespace, name)
