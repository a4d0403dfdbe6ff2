"""What goes wrong: each fault begins, lasts while other things happen, and ends.

Only what the end of a fault leaves behind is judged: everything must come right by itself.
"""

import dataclasses
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from hack import definitions
from hack.node.waiting import wait_for
from hack.soak import clock
from hack.soak.documents import at
from hack.soak.modes import CRDS
from hack.soak.recorder import Recorder
from hack.soak.replica import Replica
from hack.soak.world import Unanswered, World

Effect = Callable[["Scene"], None]


@dataclasses.dataclass(slots=True)
class Scene:
    """What a fault has at hand; `chance` gives the same numbers at its begin and at its end."""

    world: World
    recorder: Recorder
    chance: random.Random
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def replica(self) -> Replica:
        """The one that it happens to."""
        return self.world.replicas[self.chance.randrange(len(self.world.replicas))]

    def leader(self) -> Replica:
        """Return the replica that holds the Lease; where nobody can tell, any."""
        for replica in self.world.replicas:
            api = replica.api if replica.is_running else None
            if api and api.identity and self.world.loop.run(api.holder()) == api.identity:
                return replica
        return self.replica

    def suspend(self) -> None:
        """Somebody takes entries away: until all is right again nothing is owed."""
        with self.recorder.lock:
            self.recorder.ledger.suspend()
            self.recorder.forget_before_now()


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    `needs` is what the mode must have: `api`, `replicas`, `custom` (a kind may go). Of one `place`
    only one is on at a time, such as one for the SPIRE server's process.
    """

    name: str
    says: str
    begin: Effect
    end: Effect = lambda _scene: None
    needs: str = ""

    @property
    def place(self) -> str:
        """Where it happens."""
        return _PLACES.get(self.name, self.name)


def faults_of(world_needs: set[str]) -> list[Fault]:
    """Return the faults that a mode can have."""
    return [fault for fault in FAULTS if not fault.needs or fault.needs in world_needs]


def _apis(scene: Scene) -> Iterator[Replica]:
    return (replica for replica in scene.world.replicas if replica.api is not None)


def _set_api(**values: float | bool) -> tuple[Effect, Effect]:
    """Set the trouble of all proxies before the API server, and take it away again."""

    def begin(scene: Scene) -> None:
        for replica in _apis(scene):
            if replica.api is not None:
                for name, value in values.items():
                    setattr(replica.api.trouble, name, value)

    def end(scene: Scene) -> None:
        for replica in _apis(scene):
            if replica.api is not None:
                for name, value in values.items():
                    setattr(replica.api.trouble, name, type(value)())

    return begin, end


def _set_spire(**values: float | bool) -> tuple[Effect, Effect]:
    def begin(scene: Scene) -> None:
        for replica in scene.world.replicas:
            for name, value in values.items():
                setattr(replica.spire.trouble, name, value)

    def end(scene: Scene) -> None:
        for replica in scene.world.replicas:
            for name, value in values.items():
                setattr(replica.spire.trouble, name, type(value)())

    return begin, end


def _cut_watches(scene: Scene) -> None:
    for replica in _apis(scene):
        if replica.api is not None:
            scene.world.loop.run(replica.api.cut_watches())


def _expire_watches(scene: Scene) -> None:
    """Watches end and cannot be resumed: 410."""
    _set_api(expires_watches=True)[0](scene)
    _cut_watches(scene)


def _kill_spire(scene: Scene) -> None:
    scene.world.spire.kill()


def _start_spire(scene: Scene) -> None:
    scene.world.spire.start()


def _hang_spire(scene: Scene) -> None:
    scene.world.spire.hang()


def _resume_spire(scene: Scene) -> None:
    scene.world.spire.resume()


def _database(scene: Scene) -> list[Path]:
    return sorted(scene.world.spire.folder.glob("datastore.sqlite3*"))


def _copy_database(scene: Scene) -> None:
    """A copy, while the server is stopped, as a backup is made."""
    scene.world.spire.stop()
    backup = scene.world.folder / "backup"
    shutil.rmtree(backup, ignore_errors=True)
    backup.mkdir()
    for file in _database(scene):
        shutil.copy2(file, backup)
    scene.world.spire.start()


def _restore_database(scene: Scene) -> None:
    scene.world.spire.stop()
    for file in _database(scene):
        file.unlink()
    for file in (scene.world.folder / "backup").iterdir():
        shutil.copy2(file, scene.world.spire.folder)
    scene.suspend()
    scene.notes.append("restored")
    scene.world.spire.start()
    scene.suspend()


def _delete_entry(scene: Scene) -> None:
    """Somebody deletes an entry of ours on the server."""
    world = scene.world
    ours = [entry for entry in world.look.entries() if entry.id not in world.foreign]
    if ours:
        ours.sort(key=lambda entry: str(entry.key))
        scene.suspend()
        world.look.delete(scene.chance.choice(ours).id)


def _kill_api(scene: Scene) -> None:
    scene.world.plane.stop_api_server()


def _start_api(scene: Scene) -> None:
    scene.world.plane.start_api_server()


def _hang(name: str) -> tuple[Effect, Effect]:
    def begin(scene: Scene) -> None:
        scene.world.plane.hang(name)

    def end(scene: Scene) -> None:
        scene.world.plane.resume(name)

    return begin, end


def _kill_registrar(scene: Scene) -> None:
    scene.replica.kill()


def _kill_leader(scene: Scene) -> None:
    scene.leader().kill()


def _kill_all(scene: Scene) -> None:
    scene.world.close_replicas()


def _stop_all(scene: Scene) -> None:
    for replica in scene.world.replicas:
        code = replica.is_running and not replica.stop()
        if code:
            scene.notes.append(f"FINDING {replica.name} did not stop in order")


def _start_all(scene: Scene) -> None:
    for replica in scene.world.replicas:
        replica.start()


def _pause(scene: Scene) -> None:
    scene.leader().pause()


def _wake_late(scene: Scene) -> None:
    """Whoever was paused wakes when its Lease has run out for certain."""
    threading.Event().wait(scene.world.mode.lease_seconds + 1)
    for replica in scene.world.replicas:
        replica.resume()
    for replica in scene.world.replicas:
        replica.resume()


def _fill_disk(scene: Scene) -> None:
    if scene.world.disk.is_real:
        scene.world.disk.fill()
        return
    for replica in scene.world.replicas:
        replica.fill_disk(is_full=True)


def _empty_disk(scene: Scene) -> None:
    scene.world.disk.empty()
    for replica in scene.world.replicas:
        replica.fill_disk(is_full=False)


def _jump_clock(scene: Scene) -> None:
    seconds = scene.chance.choice([-1800, -30, 30, 7200, 2 * 86_400])
    clock.jump(scene.replica.clock, seconds)


def _restore_clock(scene: Scene) -> None:
    for replica in scene.world.replicas:
        clock.jump(replica.clock, 0)


def _crd(scene: Scene) -> tuple[str, str]:
    """The path and the file of the definition that it happens to."""
    kind = scene.chance.choice(scene.world.mode.custom)
    group, _, plural = CRDS[kind].partition("_")
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"
    return path, f"config/crd/bases/{CRDS[kind]}.yaml"


def _unserve(scene: Scene) -> None:
    _set_served(scene, served=False)


def _serve(scene: Scene) -> None:
    _set_served(scene, served=True)


def _set_served(scene: Scene, *, served: bool) -> None:
    """The version of a kind is served no more, or again: its objects are still stored."""
    path, _ = _crd(scene)
    document = scene.world.kube.get(path)
    if document is None:
        return
    spec = document["spec"]
    if isinstance(spec, dict):
        versions = [{**version, "served": served} for version in spec["versions"]]
        scene.world.kube.merge(path, {"spec": {"versions": versions}})


def _remove_crd(scene: Scene) -> None:
    """A definition goes, and all objects of its kind go with it."""
    path, _ = _crd(scene)
    scene.suspend()
    scene.world.kube.delete(path)


def _restore_crd(scene: Scene) -> None:
    path, file = _crd(scene)
    name = f"crd/{path.rpartition('/')[2]}"
    there = scene.world.kube.get(path)
    if there is not None and at(there, "metadata", "deletionTimestamp") is not None:
        # It would go in spite of us.
        wait_for(f"{name} is gone", lambda: _is_gone(scene.world, path))
    scene.world.apply(file)
    scene.world.plane.run_kubectl("wait", "--for=condition=Established", name, "--timeout=30s")


def _is_gone(world: World, path: str) -> bool:
    definitions.nudge(world.plane.run_kubectl)
    return world.kube.get(path) is None


def _take_rights(scene: Scene) -> None:
    world, group = scene.world, "/apis/rbac.authorization.k8s.io/v1"
    for binding in world.kube.list(f"{group}/clusterrolebindings") or []:
        if _is_of(world, binding):
            world.kube.delete(f"{group}/clusterrolebindings/{_name(binding)}")


def _give_rights(scene: Scene) -> None:
    scene.world.apply(*scene.world.mode.rights)


def _is_of(world: World, binding: dict[str, object]) -> bool:
    subjects = binding.get("subjects")
    return isinstance(subjects, list) and any(
        subject.get("name") == world.mode.account and subject.get("kind") == "ServiceAccount"
        for subject in subjects
    )


def _name(document: dict[str, object]) -> str:
    metadata = document["metadata"]
    return str(metadata["name"]) if isinstance(metadata, dict) else ""


def _two(effects: tuple[Effect, Effect], name: str, says: str, needs: str = "") -> Fault:
    return Fault(name, says, *effects, needs=needs)


FAULTS = (
    Fault("spire-killed", "the SPIRE server is killed, and back later", _kill_spire, _start_spire),
    Fault("spire-hung", "the SPIRE server neither answers nor ends", _hang_spire, _resume_spire),
    _two(_set_spire(delay_seconds=0.4), "spire-slow", "each call to SPIRE takes 0.4 s longer"),
    _two(_set_spire(is_unavailable=True), "spire-unavailable", "SPIRE refuses each call"),
    _two(_set_spire(spoils_items=True), "spire-item-errors", "each item of each batch fails"),
    _two(_set_spire(loses_answers=True), "spire-answers-lost", "writes happen, answers are lost"),
    Fault(
        "spire-database-older",
        "SPIRE's database is put back to an older copy",
        _copy_database,
        _restore_database,
    ),
    Fault("spire-entry-deleted", "somebody deletes an entry of ours", _delete_entry),
    Fault("api-killed", "the API server is killed, and back later", _kill_api, _start_api, "api"),
    _two(_hang("kube-apiserver"), "api-hung", "the API server neither answers nor ends", "api"),
    _two(_hang("etcd"), "etcd-hung", "etcd neither answers nor ends", "api"),
    _two(_set_api(delay_seconds=0.5), "api-slow", "each request takes 0.5 s longer", "api"),
    Fault("watches-cut", "watches are cut in the middle of a line", _cut_watches, needs="api"),
    Fault(
        "watches-expired",
        "watches end and cannot be resumed: 410",
        _expire_watches,
        _set_api(expires_watches=True)[1],
        "api",
    ),
    _two(_set_api(refusal=409), "api-409", "each write meets a conflict", "api"),
    _two(_set_api(refusal=429), "api-429", "each request is too many", "api"),
    _two(_set_api(refusal=500), "api-500", "each request fails", "api"),
    _two(_set_api(loses_answers=True), "api-answers-lost", "writes happen, answers do not", "api"),
    Fault("registrar-killed", "one registrar is killed", _kill_registrar, _start_all),
    Fault("leader-killed", "the leader is killed", _kill_leader, _start_all, "replicas"),
    Fault("registrars-down", "no registrar runs for a while", _kill_all, _start_all),
    Fault("registrars-stopped", "all are stopped as Kubernetes does", _stop_all, _start_all),
    Fault(
        "leader-paused", "the leader stands still past its Lease", _pause, _wake_late, "replicas"
    ),
    Fault(
        "disk-full",
        "the disk of the log and the manifests is full, or no file may grow",
        _fill_disk,
        _empty_disk,
    ),
    Fault("clock-jumped", "a registrar's clock jumps, and back", _jump_clock, _restore_clock),
    Fault("kind-unserved", "a kind is served no more, and again", _unserve, _serve, "custom"),
    Fault(
        "kind-removed", "a definition goes with its objects", _remove_crd, _restore_crd, "custom"
    ),
    Fault("rights-taken", "the registrar's rights go, and come", _take_rights, _give_rights, "api"),
)

_PROCESSES = {
    "the SPIRE server": ("spire-killed", "spire-hung", "spire-database-older"),
    "the API server": ("api-killed", "api-hung", "etcd-hung"),
    "the registrars": (
        "registrar-killed",
        "leader-killed",
        "registrars-down",
        "registrars-stopped",
        "leader-paused",
        "disk-full",
    ),
    "the kinds": ("kind-unserved", "kind-removed"),
    "refusals": ("api-409", "api-429", "api-500"),
}
_PLACES = {name: place for place, names in _PROCESSES.items() for name in names}

__all__ = ["FAULTS", "Fault", "Scene", "Unanswered", "faults_of"]
