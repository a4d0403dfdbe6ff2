"""A random walk through the controller manager's mode, with kinds that go and records that fail."""

import contextlib
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.kinds import CLUSTER_SPIFFEID, CLUSTER_STATIC_ENTRY, POD, SPIRE_ENTRY, Kind
from api.meta import KubeObject
from registrar.settings.model import ControllerManager
from tests.support.controllermanager import Manager
from tests.support.setup import embedded_setup
from tests.support.walk import SEEDS, Action, Walk


@dataclass
class ManagerWalk(Walk):
    """Static entries and Pods under a template."""

    pods: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)
    is_template_broken: bool = False

    @property
    def manager(self) -> Manager:
        return Manager(self.setup)

    def actions(self) -> list[Action]:
        return [
            self.apply,
            self.apply,
            self.delete,
            self.break_object,
            self.mend_object,
            self.create_pod,
            self.create_pod,
            self.relabel_pod,
            self.delete_pod,
            self.break_template,
            self.mend_template,
            self.serve,
            self.drift,
            self.refuse_writes,
            self.restart_spire,
            self.restart_api,
            self.expire_watches,
        ]

    def running(self) -> contextlib.AbstractAsyncContextManager[object]:
        return self.setup.registrar(controller_manager=ControllerManager())

    def is_in_doubt(self) -> bool:
        return bool(self.broken or self.unserved or self.is_template_broken)

    def expected(self) -> dict[str, set[str]]:
        return super().expected() | {f"/{label}": {""} for label in self.pods.values()}

    def owners(self) -> dict[str, str]:
        return super().owners() | {name: f"/{label}" for name, label in self.pods.items()}

    async def mend(self) -> None:
        for kind in (CLUSTER_STATIC_ENTRY, CLUSTER_SPIFFEID):
            await self._serve(kind, served=True)
        while self.broken:
            await self.mend_object()
        await self.mend_template()

    async def apply(self) -> None:
        name = f"o{self.random.randrange(5)}"
        if CLUSTER_STATIC_ENTRY.kind not in self.unserved and name not in self.broken:
            wanted = self.wanted(name)
            self.moves(name, wanted[0])
            await self._apply(name, wanted)

    async def _apply(self, name: str, wanted: tuple[str, str]) -> None:
        self.objects[name] = wanted
        await self.manager.static_entry(name, spiffeID=wanted[0], hint=wanted[1])

    async def delete(self) -> None:
        if self.objects and CLUSTER_STATIC_ENTRY.kind not in self.unserved:
            name = self.random.choice(sorted(self.objects))
            self.must.pop(name, None)
            self.objects.pop(name)
            self.broken.discard(name)
            await self.setup.client.delete(CLUSTER_STATIC_ENTRY.path("", name))

    async def break_object(self) -> None:
        """What SPIRE cannot have, or what has not the shape of its kind."""
        if not self.objects or CLUSTER_STATIC_ENTRY.kind in self.unserved:
            return
        name = self.random.choice(sorted(self.objects))
        spec: JSONObject = {"spiffeID": "spiffe://other.test/x"}
        if self.random.random() < 0.5:
            spec = {"selectors": "unix:uid:0"}
        self.broken.add(name)
        path = CLUSTER_STATIC_ENTRY.path("", name)
        await self.setup.client.merge(path, {"spec": spec})

    async def mend_object(self) -> None:
        if self.broken and CLUSTER_STATIC_ENTRY.kind not in self.unserved:
            name = self.random.choice(sorted(self.broken))
            wanted = self.objects[name] if self.random.random() < 0.5 else self.wanted(name)
            self.moves(name, wanted[0])
            self.broken.discard(name)
            await self._apply(name, wanted)

    async def create_pod(self) -> None:
        name = f"p{self.random.randrange(5)}"
        if name not in self.pods:
            label = f"{name}-{self.random.randrange(3)}"
            self.pods[name] = label
            await self.manager.pod(name, labels={"id": label})

    async def relabel_pod(self) -> None:
        if self.pods:
            name = self.random.choice(sorted(self.pods))
            label = f"{name}-{self.random.randrange(3)}"
            self.moves(name, f"/{label}")
            self.pods[name] = label
            labels: JSONObject = {"metadata": {"labels": {"id": label}}}
            await self.setup.client.merge(POD.path("default", name), labels)

    async def delete_pod(self) -> None:
        if self.pods:
            name = self.random.choice(sorted(self.pods))
            self.must.pop(name, None)
            del self.pods[name]
            await self.manager.delete_pod(name)

    async def break_template(self) -> None:
        if CLUSTER_SPIFFEID.kind not in self.unserved:
            self.is_template_broken = True
            text = self.random.choice(["/{{ .PodMeta.Name", "/{{ .PodMeta.Missing }}"])
            await self.manager.template("all", spiffeIDTemplate=text)

    async def mend_template(self) -> None:
        if CLUSTER_SPIFFEID.kind not in self.unserved:
            await self.manager.template("all", spiffeIDTemplate='/{{ index .PodMeta.Labels "id" }}')
            self.is_template_broken = False

    async def serve(self) -> None:
        """The version of a kind is served no more, or again."""
        kind = self.random.choice([CLUSTER_STATIC_ENTRY, CLUSTER_SPIFFEID])
        await self._serve(kind, served=kind.kind in self.unserved)

    async def _serve(self, kind: Kind[KubeObject], *, served: bool) -> None:
        await self.setup.client.apply(loose(kind, served=served))
        if served:
            self.unserved.discard(kind.kind)
        else:
            self.unserved.add(kind.kind)

    async def restart_api(self) -> None:
        assert self.setup.embedded is not None
        await self.setup.embedded.stop()
        await self.setup.embedded.start()

    async def expire_watches(self) -> None:
        assert self.setup.embedded is not None
        self.setup.embedded.faults.expire_watches()


def loose(kind: Kind[KubeObject], *, served: bool) -> JSONObject:
    """The CustomResourceDefinition, with a schema that takes anything."""
    document = next(crd(custom) for custom in CUSTOM_KINDS if custom.kind.resource == kind.resource)
    spec = document["spec"]
    assert isinstance(spec, dict)
    for version in spec["versions"]:  # type: ignore[union-attr]
        schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["served"] = served  # type: ignore[index, call-overload]
        version["schema"]["openAPIV3Schema"] = schema  # type: ignore[index, call-overload]
    return document


@pytest.mark.slow
@pytest.mark.parametrize("records", ["recorded", "missing", "forbidden"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_controller_managers_mode_loses_nothing(
    seed: str, records: str, tmp_path: Path
) -> None:
    async with embedded_setup(tmp_path) as setup:
        assert setup.embedded is not None
        if records == "missing":
            crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
            await setup.client.delete(crds + SPIRE_ENTRY.resource)
        elif records == "forbidden":
            setup.embedded.faults.fail(None, 403, resource="spireentries")
        walk = ManagerWalk(setup, random.Random(seed))
        await walk.manager.node()
        for kind in (CLUSTER_STATIC_ENTRY, CLUSTER_SPIFFEID):
            await setup.client.apply(loose(kind, served=True))
        await walk.mend_template()
        await walk.go()
