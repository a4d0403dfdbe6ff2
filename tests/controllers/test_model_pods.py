"""Random walks through the modes in which Pods ask by themselves, with records that fail."""

import contextlib
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.kinds import POD, SPIRE_ENTRY
from api.proto.types_pb2 import Entry
from registrar.settings.model import CRDMode, PodIdentity, ReconcileMode
from tests.support.controllermanager import Manager
from tests.support.setup import embedded_setup
from tests.support.walk import SEEDS, Action, Walk

LABEL = PodIdentity("label", "spiffe")
RESERVED = "spire"
"""A label that makes no SPIFFE ID for a workload."""

MODES: dict[str, dict[str, object]] = {
    "layered": {"pods": LABEL},
    "reconcile": {"workload_registrar": ReconcileMode(), "pods": LABEL},
    "crd": {"workload_registrar": CRDMode(), "pods": LABEL},
}


@dataclass
class PodWalk(Walk):
    """Pods whose label is their path."""

    settings: dict[str, object] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    @property
    def manager(self) -> Manager:
        return Manager(self.setup)

    def entries(self) -> list[Entry]:
        return [e for e in self.setup.all_entries() if e.spiffe_id.path.startswith("/pod")]

    def actions(self) -> list[Action]:
        return [
            self.create,
            self.create,
            self.relabel,
            self.delete,
            self.break_label,
            self.drift,
            self.refuse_writes,
            self.restart_spire,
            self.restart_api,
            self.expire_watches,
        ]

    def running(self) -> contextlib.AbstractAsyncContextManager[object]:
        return self.setup.registrar(**self.settings)

    def is_in_doubt(self) -> bool:
        return bool(self.broken)

    async def mend(self) -> None:
        for name in sorted(self.broken):
            await self._label(name, self.objects[name][0].removeprefix("/"))
        self.broken.clear()

    def some_label(self, name: str) -> str:
        return f"{name}-{self.random.randrange(3)}"

    async def create(self) -> None:
        name = f"pod{self.random.randrange(5)}"
        if name not in self.objects:
            label = self.some_label(name)
            self.objects[name] = f"/{label}", ""
            await self.manager.pod(name, labels={"spiffe": label})

    async def relabel(self) -> None:
        if self.objects:
            name, label = self._chosen()
            self.moves(name, f"/{label}")
            self.objects[name] = f"/{label}", ""
            self.broken.discard(name)
            await self._label(name, label)

    async def break_label(self) -> None:
        if self.objects:
            name, _ = self._chosen()
            self.broken.add(name)
            await self._label(name, RESERVED)

    async def delete(self) -> None:
        if self.objects:
            name, _ = self._chosen()
            self.must.pop(name, None)
            self.broken.discard(name)
            del self.objects[name]
            await self.manager.delete_pod(name)

    def _chosen(self) -> tuple[str, str]:
        name = self.random.choice(sorted(self.objects))
        return name, self.some_label(name)

    async def _label(self, name: str, label: str) -> None:
        labels: JSONObject = {"metadata": {"labels": {"spiffe": label}}}
        await self.setup.client.merge(POD.path("default", name), labels)

    async def restart_api(self) -> None:
        assert self.setup.embedded is not None
        await self.setup.embedded.stop()
        await self.setup.embedded.start()

    async def expire_watches(self) -> None:
        assert self.setup.embedded is not None
        self.setup.embedded.faults.expire_watches()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "records"),
    [
        ("layered", "recorded"),
        *((mode, records) for mode in ("reconcile", "crd") for records in ("recorded", "missing")),
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_pods_lose_nothing(
    seed: str, mode: str, records: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "default")
    async with embedded_setup(tmp_path) as setup:
        if records == "missing":
            crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
            await setup.client.delete(crds + SPIRE_ENTRY.resource)
        walk = PodWalk(setup, random.Random(seed), settings=MODES[mode])
        await walk.manager.node()
        await walk.go()
