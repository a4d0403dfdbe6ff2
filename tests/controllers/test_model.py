"""Random walks through everything that can happen in each mode, against a plain model.

They run on the embedded servers, and with few seeds on the real ones. The seed of a failing walk
stands in the test's name and its steps in a note of the failure; SPIRE_REGISTRAR_SEEDS="7 8"
walks others.
"""

import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.kinds import SPIRE_ENTRY
from manager.process import Process
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    LeaderElection,
    PodIdentity,
    ReconcileMode,
    Settings,
    StaticManifests,
)
from tests.support.podwebhook import webhook_mode, write_material
from tests.support.walk.actor import Actor
from tests.support.walk.asked import AskedPods
from tests.support.walk.declared import (
    CLUSTER_SPIFFE_IDS,
    SPIFFE_IDS,
    STATIC_ENTRIES,
    Declared,
    Declares,
)
from tests.support.walk.files import Files
from tests.support.walk.model import Model
from tests.support.walk.pods import LABEL, LabelledPods, TemplatedPods
from tests.support.walk.replicas import Replicas
from tests.support.walk.servers import Embedded, Real, Servers
from tests.support.walk.walk import Length, Walk

_GIVEN = os.environ.get("SPIRE_REGISTRAR_SEEDS", "").split()
EMBEDDED_SEEDS, REAL_SEEDS = _GIVEN or ["1", "2"], _GIVEN or ["1"]
EMBEDDED_LENGTH, REAL_LENGTH = Length(lives=4, steps=10), Length(lives=2, steps=6)
ELECTION = LeaderElection("default", "walk", 3.0, 2.0, 0.2)
LABELLED = PodIdentity("label", LABEL)


@dataclass(frozen=True, kw_only=True)
class Mode:
    """``settings`` are what the mode changes in them; ``kinds`` those that people write."""

    settings: dict[str, object]
    kinds: tuple[Declares, ...] = ()
    pods: type[LabelledPods] | None = LabelledPods
    needs_records: bool = False


MODES = {
    "layered": Mode(settings={"pods": LABELLED}, kinds=(CLUSTER_SPIFFE_IDS,), needs_records=True),
    "manager": Mode(
        settings={"controller_manager": ControllerManager()},
        kinds=(STATIC_ENTRIES,),
        pods=TemplatedPods,
    ),
    "reconcile": Mode(settings={"workload_registrar": ReconcileMode(), "pods": LABELLED}),
    "crd": Mode(settings={"workload_registrar": CRDMode(), "pods": LABELLED}, kinds=(SPIFFE_IDS,)),
}


def on(servers: str, seeds: list[str], *cases: str) -> list[object]:
    """The walks of all cases on embedded servers or on real ones."""
    marks = [pytest.mark.real("control plane", "spire")] if servers == "real" else []
    return [
        pytest.param(servers, *case.split(), seed, marks=marks, id=f"{servers} {case} {seed}")
        for case in cases
        for seed in seeds
    ]


@contextlib.asynccontextmanager
async def on_servers(
    which: str, folder: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Servers]:
    """The servers of a walk."""
    if which == "embedded":
        async with Embedded.use(folder) as embedded:
            yield embedded
        return
    plane, spire = map(request.getfixturevalue, ("real_control_plane", "real_spire_server"))
    async with Real.use(folder, plane, spire) as real:
        yield real


def a_walk(
    servers: Servers,
    seed: str,
    make: Callable[[Settings], Process],
    *,
    has_records: bool = True,
    needs_records: bool = False,
    has_replicas: bool = True,
) -> Walk:
    """A walk without actors yet."""
    return Walk(
        servers=servers,
        replicas=Replicas(servers, make),
        model=Model(random.Random(seed)),
        actors=[],
        length=EMBEDDED_LENGTH if isinstance(servers, Embedded) else REAL_LENGTH,
        has_records=has_records,
        needs_records=needs_records,
        has_replicas=has_replicas,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("which", "mode", "records", "seed"),
    [
        *on("embedded", EMBEDDED_SEEDS, *(f"{mode} recorded" for mode in MODES)),
        *on("embedded", EMBEDDED_SEEDS, "manager missing", "reconcile missing", "crd missing"),
        *on("real", REAL_SEEDS, *(f"{mode} recorded" for mode in MODES), "manager missing"),
    ],
)
async def test_whatever_happens_nothing_is_lost_and_all_becomes_right(
    which: str,
    mode: str,
    records: str,
    seed: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    chosen = MODES[mode]
    async with on_servers(which, tmp_path, request) as servers:

        def make(settings: Settings) -> Process:
            changes = {**chosen.settings, "leader_election": ELECTION}
            return Process(replace(settings, **changes))  # type: ignore[arg-type]

        has_records = records == "recorded"
        if not has_records:
            await servers.serve(SPIRE_ENTRY, served=False)
        walk = a_walk(
            servers,
            seed,
            make,
            has_records=has_records,
            needs_records=chosen.needs_records,
        )
        actors: list[Actor] = [Declared(walk.model, servers, kind) for kind in chosen.kinds]
        if chosen.pods is not None:
            actors.append(chosen.pods(walk.model, servers))
        walk.actors += actors
        await walk.go()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("which", "rights", "records", "seed"),
    [
        *on("embedded", EMBEDDED_SEEDS, "sees recorded", "sees missing"),
        *on("embedded", EMBEDDED_SEEDS, "blind recorded", "blind missing"),
        *on("real", REAL_SEEDS, "sees recorded", "blind recorded"),
    ],
)
async def test_whatever_happens_pods_that_are_asked_about_lose_nothing(
    which: str,
    rights: str,
    records: str,
    seed: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    write_material(tmp_path)
    async with on_servers(which, tmp_path, request) as servers:

        def make(settings: Settings) -> Process:
            mode = webhook_mode(tmp_path)
            return Process(replace(settings, workload_registrar=mode, pods=LABELLED))

        is_blind, has_records = rights == "blind", records == "recorded"
        if not has_records:
            await servers.serve(SPIRE_ENTRY, served=False)
        if is_blind:
            await servers.forbid("pods")
        walk = a_walk(servers, seed, make, has_records=has_records)
        walk.actors.append(
            AskedPods(
                walk.model, servers, replicas=walk.replicas, folder=tmp_path, is_blind=is_blind
            )
        )
        await walk.go()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("which", "seed"), [*on("embedded", EMBEDDED_SEEDS, ""), *on("real", REAL_SEEDS, "")]
)
async def test_whatever_happens_the_static_mode_loses_nothing(
    which: str, seed: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    manifests = StaticManifests(tmp_path / "manifests")
    async with on_servers(which, tmp_path, request) as servers:

        def make(settings: Settings) -> Process:
            mode = ControllerManager(static_manifests=manifests)
            return Process(replace(settings, kubeconfig=None, controller_manager=mode))

        walk = a_walk(servers, seed, make, has_records=False, has_replicas=False)
        walk.actors.append(Files(walk.model, manifests.path))
        await walk.go()
