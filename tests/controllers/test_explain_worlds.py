"""In worlds at random, what ``explain`` says of each Pod is what a running registrar did."""

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.proto.types_pb2 import Entry
from manager.explain.explain import explained
from manager.explain.model import Explanation
from manager.explain.subjects import Subject
from manager.preview.rehearsal import rehearsed
from manager.process import Process
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    PodIdentity,
    ReconcileMode,
    Settings,
)
from tests.controllers.test_model import ELECTION, LABELLED, MODES, on, on_servers
from tests.support.controllermanager import Manager
from tests.support.explaining import attest
from tests.support.setup import Setup, eventually
from tests.support.walk.declared import Declared
from tests.support.walk.model import Model
from tests.support.walk.replicas import Replicas
from tests.support.walk.walk import Length, Walk

pytestmark = pytest.mark.usefixtures("in_spire")

WORLDS = {
    "manager": {"controller_manager": ControllerManager(ignore_namespaces=("infra",))},
    "layered": {"pods": LABELLED},
    "reconcile": {"workload_registrar": ReconcileMode(), "pods": LABELLED},
    "crd": {"workload_registrar": CRDMode(), "pods": PodIdentity("template", "app")},
}
SEEDS = range(3)
NAMESPACES = ("default", "shop", "infra-1", "kube-system")


@dataclass
class World:
    """Pods at random, by name and namespace, with their uids and nodes."""

    manager: Manager
    random: random.Random
    pods: dict[tuple[str, str], tuple[str, str]]

    async def make(self, *, with_templates: bool) -> None:
        """Two nodes, of which one has an agent; some templates; Pods of all sorts."""
        for node in ("n1", "n2"):
            uid = await self.manager.node(node)
            if node == "n1":
                attest(self.manager.setup, node, uid)
        for namespace in NAMESPACES[1:]:
            await self.manager.namespace(namespace, team=self.random.choice("ab"))
        for number in range(self.random.randrange(5) if with_templates else 0):
            await self.manager.template(f"t{number}", **self._template(number))
        for number in range(10):
            namespace, node = self.random.choice(NAMESPACES), self.random.choice(["", "n1", "n2"])
            labels = {
                "app": self.random.choice(["web", "db", "true"]),
                **({"spiffe": self._label(number)} if self.random.random() < 0.7 else {}),
            }
            name = f"p{number}"
            uid = await self.manager.pod(name, namespace=namespace, node=node, labels=labels)
            self.pods[namespace, name] = uid, node
            if self.random.random() < 0.2:
                path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
                await self.manager.client.merge(path, {"status": {"phase": "Failed"}})

    def _label(self, number: int) -> str:
        return self.random.choice([f"id-{number}", "spire", ""])

    def _template(self, number: int) -> JSONObject:
        spec: JSONObject = {
            "spiffeIDTemplate": self.random.choice(
                [
                    f"/{number}/{{{{ .PodMeta.Name }}}}",
                    "/same/{{ .PodMeta.Name }}",
                    "/{{ .PodMeta.Labels.app.x }}",
                    "/{{ .Broken",
                ]
            )
        }
        if self.random.random() < 0.5:
            spec["podSelector"] = {"matchLabels": {"app": self.random.choice(["web", "db"])}}
        if self.random.random() < 0.4:
            spec["namespaceSelector"] = {"matchLabels": {"team": self.random.choice("ab")}}
        if self.random.random() < 0.3:
            spec["fallback"] = True
        if self.random.random() < 0.2:
            spec["className"] = "other"
        return spec

    def served(self, place: tuple[str, str]) -> set[str]:
        """The SPIFFE IDs of the entries on the SPIRE server that select a Pod."""
        namespace, name = place
        uid = self.pods[place][0]
        by_name = {f"ns:{namespace}", f"pod-name:{name}"}
        return {
            f"spiffe://example.org{entry.spiffe_id.path}"
            for entry in self.manager.setup.entries()
            if f"pod-uid:{uid}" in _values(entry) or by_name == _values(entry)
        }


def _values(entry: Entry) -> set[str]:
    return {selector.value for selector in entry.selectors}


async def answers(
    setup: Setup, places: list[tuple[str, str]], **changes: object
) -> dict[tuple[str, str], Explanation]:
    """What is said of each Pod, all by one rehearsal."""
    settings: Settings = replace(setup.settings, **changes)  # type: ignore[arg-type]
    async with rehearsed(settings) as preview:
        assert not preview.outlook.has_changes
        return {
            place: await explained(preview, Subject("Pod", *place), now=time.time())
            for place in places
        }


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", WORLDS)
async def test_explain_says_of_each_pod_what_the_registrar_did(
    embedded: Setup, mode: str, seed: int
) -> None:
    world = World(Manager(embedded), random.Random(f"{mode} {seed}"), {})
    changes: dict[str, object] = WORLDS[mode]  # type: ignore[assignment]
    await world.make(with_templates=mode == "manager")
    async with embedded.registrar(**changes):

        async def is_done() -> bool:
            settings: Settings = replace(embedded.settings, **changes)  # type: ignore[arg-type]
            async with rehearsed(settings) as preview:
                return not preview.outlook.has_changes

        await eventually(is_done)
    for place, found in (await answers(embedded, list(world.pods), **changes)).items():
        asked = [one for one in found.identities if one.by is not None and one.entry.is_there]
        assert {one.key.spiffe_id for one in asked} == world.served(place), found.verdict
        if mode == "manager":
            is_on_agents_node = world.pods[place][1] == "n1"
            assert found.has_identity == (bool(asked) and is_on_agents_node), found.verdict
        if not asked:
            assert "gets nothing, because" in found.verdict
            assert found.considered or "no object asks" in found.verdict


@dataclass(kw_only=True)
class ExplainedWalk(Walk):
    """A walk that has everything explained whenever all is right."""

    changes: dict[str, object]
    explained: int = 0

    async def _rest(self) -> None:
        await super()._rest()
        servers = self.servers
        if (
            not self.replicas.running
            or self._is_in_doubt()
            or servers.forbidden
            or servers.unserved
        ):
            return
        settings: Settings = replace(self.servers.setup.settings, **self.changes)  # type: ignore[arg-type]
        async with rehearsed(settings) as preview:
            for name, (path, _) in self.model.wanted.items():
                subject = self._subject(name)
                found = await explained(preview, subject, now=time.time())
                states = {
                    one.key.spiffe_id.removeprefix("spiffe://example.org"): one.entry.is_there
                    for one in found.identities
                    if one.by is not None
                }
                assert states.get(path), (subject, found.verdict)
                self.explained += 1

    def _subject(self, name: str) -> Subject:
        for actor in self.actors:
            if isinstance(actor, Declared) and name in actor.mine:
                kind = actor.declares.kind.kind
                return Subject(kind, actor.declares.namespace, name)
        return Subject("Pod", "default", name)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("which", "mode", "seed"),
    [*on("embedded", ["1"], "layered", "manager", "crd"), *on("real", ["1"], "manager")],
)
async def test_whatever_happens_explain_agrees_with_what_is_there(
    which: str, mode: str, seed: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chosen = MODES[mode]
    changes = {**chosen.settings, "leader_election": ELECTION}

    def make(settings: Settings) -> Process:
        return Process(replace(settings, **changes))  # type: ignore[arg-type]

    async with on_servers(which, tmp_path, request) as servers:
        walk = ExplainedWalk(
            servers=servers,
            replicas=Replicas(servers, make),
            model=Model(random.Random(seed)),
            actors=[],
            length=Length(lives=1, steps=8),
            changes=chosen.settings,
        )
        walk.actors += [Declared(walk.model, servers, kind) for kind in chosen.kinds]
        if chosen.pods is not None:
            walk.actors.append(chosen.pods(walk.model, servers))
        await walk.go()
        assert walk.explained
