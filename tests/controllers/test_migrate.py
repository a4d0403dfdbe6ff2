"""From another registrar to this one and back, on servers: no entry is missing at any moment."""

import json
from pathlib import Path

import pytest

from api.codec import JSONObject, JSONValue
from api.documents import load_yaml_documents
from manager.migrate import definitions
from manager.migrate.waiting import NotInTime
from registrar.settings.model import LeaderElection, PodIdentity, ReconcileMode
from tests.support.controllermanager import Manager
from tests.support.migration import Run, a_node, seen, there_and_back
from tests.support.peers import (
    LAYERED,
    LAYERED_KINDS,
    MANAGER,
    OURS,
    PEERS,
    WORKLOAD,
    installed,
    namespace_of,
    world_of,
)
from tests.support.previews import Held
from tests.support.setup import Setup

pytestmark = pytest.mark.may_block


@pytest.fixture(autouse=True)
def own_namespace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    callspec = getattr(request.node, "callspec", None)
    peer = MANAGER if callspec is None else callspec.params.get("peer", MANAGER)
    monkeypatch.setenv("MY_POD_NAMESPACE", namespace_of(peer))


@pytest.fixture
def run(embedded: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(embedded, tmp_path, capsys)


@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_is_replaced_and_put_back(embedded: Setup, run: Run, peer: str) -> None:
    await there_and_back(run, await installed(embedded, peer))


@pytest.mark.real("control plane", "spire")
@pytest.mark.slow
@pytest.mark.parametrize("peer", [MANAGER, WORKLOAD])
async def test_it_is_so_on_real_servers(
    real_servers: Setup, peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await installed(real_servers, peer)
    try:
        await there_and_back(Run(real_servers, tmp_path, capsys), world)
    finally:
        await world.remove()


SERVER: JSONObject = {"name": "spire-server", "image": "ghcr.io/spiffe/spire-server:1.13.3"}


@pytest.mark.parametrize(
    ("kind", "spec", "ran"),
    [
        ("StatefulSet", {"replicas": 1}, ["peer", "ours", "peer"]),
        ("StatefulSet", {"replicas": 2}, ["peer", "", "ours", "", "peer"]),
        ("Deployment", {}, ["peer", "", "ours", "", "peer"]),
        ("Deployment", {"strategy": {"type": "Recreate"}}, ["peer", "ours", "peer"]),
    ],
    ids=["one", "replicas", "rolling", "recreated"],
)
async def test_beside_a_server_old_and_new_never_run_at_the_same_time(
    embedded: Setup, run: Run, kind: str, spec: JSONObject, ran: list[str]
) -> None:
    world = await installed(embedded, WORKLOAD, kind=kind, spec=spec, others=(SERVER,))
    images = {"peer": world.image, "ours": OURS, "": ""}
    await there_and_back(run, world, ran=[images[name] for name in ran])


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("StatefulSet", {"replicas": 1}), ("Deployment", {"strategy": {"type": "Recreate"}})],
    ids=["one", "recreated"],
)
async def test_nobody_runs_while_the_kinds_are_replaced(
    embedded: Setup, run: Run, kind: str, spec: JSONObject
) -> None:
    """Who sees its kind go takes all objects for deleted, and deletes their entries."""
    await there_and_back(
        run, await installed(embedded, LAYERED, kind=kind, spec=spec, others=(SERVER,))
    )


async def test_what_was_not_written_anew_is_there_again_on_the_way_back(
    embedded: Setup, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await installed(embedded, LAYERED)

    async def fails(*_: object) -> int:
        raise NotInTime("the API server is away")

    async with a_node(world):
        with monkeypatch.context() as patched:
            patched.setattr(definitions, "write_anew", fails)
            code, document = await run.document(LAYERED, "--apply", "--yes", "--image", OURS)
        assert (code, document["watch"]["missingMoments"]) == (1, 0)  # type: ignore[index]
        code, document = await run.document(LAYERED, "--undo", "--yes")
        assert code == 0, (run.out, run.err)
        assert seen(document)[1] == 0
        listed = await embedded.client.get(f"{LAYERED_KINDS}/clusterspiffeids")
        names = [item["metadata"]["name"] for item in listed["items"]]  # type: ignore[index,call-overload,union-attr]
        assert sorted(map(str, names)) == ["a", "b", "pod-a", "pod-b"]
        # And all of it once more, from the beginning.
        code, document = await run.document(LAYERED, "--apply", "--yes", "--image", OURS)
        assert code == 0, (run.out, run.err)
        assert seen(document)[1] == 0
        kinds = {each.spec.spiffe_id for each in await embedded.cluster_spiffe_ids()}
        assert {"spiffe://example.org/a", "spiffe://example.org/b"} <= kinds


async def test_where_all_objects_were_made_for_pods_there_is_a_plan_too(
    embedded: Setup, run: Run
) -> None:
    await installed(embedded, LAYERED)
    for name in ("a", "b"):
        path = f"{LAYERED_KINDS}/clusterspiffeids/{name}"
        await embedded.client.merge(path, {"metadata": {"finalizers": None}})
        await embedded.client.delete(path)
    assert await run(LAYERED) == 0, run.err


async def test_another_installation_of_the_kinds_that_go_stops_it(
    embedded: Setup, run: Run
) -> None:
    world = await installed(embedded, LAYERED)
    await world_of(embedded, LAYERED, name="other").install()
    flags = ("--workload", "deployment/registrar", "--apply", "--yes", "--image", OURS)
    assert await run(LAYERED, *flags) == 2
    assert "runs elsewhere too" in run.err
    assert await world.image_there() == world.image


async def test_nobody_else_may_read_what_is_written(embedded: Setup, run: Run) -> None:
    variables: list[JSONValue] = [{"name": "PASSWORD", "value": "hunter2"}]
    await world_of(embedded, MANAGER, container={"env": variables}).install()
    assert await run(MANAGER) == 0
    assert "hunter2" in (run.folder / "workload.yaml").read_text()
    written = [run.folder, *run.folder.iterdir()]
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []


async def test_a_daemon_set_has_no_pods_before_ours_come(embedded: Setup, run: Run) -> None:
    world = await installed(embedded, WORKLOAD, kind="DaemonSet")
    await there_and_back(run, world)
    assert "spire-registrar.spiffe.io" not in json.dumps(await embedded.client.get(world.path))


async def test_what_was_found_is_said_and_written(embedded: Setup, run: Run) -> None:
    world = await installed(embedded, MANAGER)
    assert await run(MANAGER) == 0
    assert f"Deployment {world.namespace}/registrar, container peer" in run.out
    assert "2 to adopt" in run.out
    assert "Nothing was written" in run.out
    written = {path.name for path in run.folder.iterdir()}
    assert written == {
        "README.md",
        "config.yaml",
        "crds.yaml",
        "kustomization.yaml",
        "patch.yaml",
        "rights.yaml",
        "workload.yaml",
    }
    assert (run.folder / "config.yaml").read_text() == world.file
    assert await world.image_there() == world.image


async def test_the_folder_is_a_kustomization(embedded: Setup, run: Run) -> None:
    world = await installed(
        embedded,
        MANAGER,
        container={"command": ["/spire-controller-manager", "--config", "/etc/peer/config.yaml"]}
        | {"args": ["--zap-devel"]},
    )
    assert await run(MANAGER, "--image", OURS) == 0
    patch = (run.folder / "patch.yaml").read_text()
    (document,) = load_yaml_documents(patch)
    spec = document["spec"]["template"]["spec"]  # type: ignore[index,call-overload]
    assert spec == {
        "containers": [
            {
                "name": "peer",
                "image": OURS,
                "command": None,
                "args": ["--config", "/etc/peer/config.yaml", "--zap-devel"],
            }
        ]
    }
    async with a_node(world):
        code, _ = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
        assert code == 0, run.err
    workload = json.dumps(await embedded.client.get(world.path))
    assert '"command"' not in workload


async def test_none_and_several_are_told_apart(embedded: Setup, run: Run) -> None:
    assert await run(MANAGER) == 2
    assert "no container of the cluster runs spire-controller-manager" in run.err
    await installed(embedded, MANAGER)
    other = world_of(embedded, MANAGER, name="other")
    await other.install()
    assert await run(MANAGER) == 2
    assert "2 containers run spire-controller-manager" in run.err
    assert "--workload KIND/NAME" in run.err
    assert await run(MANAGER, "--workload", "deployment/other") == 0
    assert "of-spire-controller-manager/other, container peer" in run.out
    assert await run(MANAGER, "-n", "default") == 2
    assert await run(MANAGER, "--workload", "statefulset/other") == 2


async def test_an_image_of_another_name_is_chosen_by_hand(embedded: Setup, run: Run) -> None:
    world = world_of(embedded, MANAGER, container={"image": "example.org/mirror/cm:1"})
    await world.install()
    assert await run(MANAGER) == 2
    assert "--container NAME" in run.err
    flags = ("--workload", "deployment/registrar", "--container", "peer")
    assert await run(MANAGER, *flags) == 0


async def test_a_shell_that_starts_it_is_refused(embedded: Setup, run: Run) -> None:
    await world_of(
        embedded,
        MANAGER,
        container={"command": ["sh", "-c", "exec spire-controller-manager"]},
    ).install()
    assert await run(MANAGER) == 2
    assert "a shell's or another program's" in run.err


async def test_a_file_that_is_not_there_is_given_by_hand(
    embedded: Setup, run: Run, tmp_path: Path
) -> None:
    world = world_of(embedded, MANAGER, container={"args": ["-config", "/elsewhere/config.yaml"]})
    await world.install()
    assert await run(MANAGER) == 2
    assert "/elsewhere/config.yaml comes from no ConfigMap" in run.err
    (tmp_path / "config.yaml").write_text(world.file)
    assert await run(MANAGER, "--config", str(tmp_path / "config.yaml")) == 0


async def test_what_a_file_has_wrong_is_said_and_a_better_one_takes_its_place(
    embedded: Setup, run: Run, tmp_path: Path
) -> None:
    world = await installed(embedded, MANAGER)
    good = world.file
    world.file = good + "noSuchKey: 1\n"
    await world.install()
    code, document = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
    assert code == 2
    assert "noSuchKey" in str(document["problems"])
    assert await world.image_there() == world.image
    better = tmp_path / "better.yaml"
    better.write_text(good)
    flags = ("--config", str(better))
    async with a_node(world):
        code, _ = await run.document(MANAGER, "--apply", "--yes", "--image", OURS, *flags)
        assert code == 0, run.err
        assert await world.text() == good
        code, _ = await run.document(MANAGER, "--undo", "--yes", *flags)
        assert code == 0, run.err
        assert await world.text() == world.file


async def test_nothing_is_changed_without_a_word(embedded: Setup, run: Run) -> None:
    world = await installed(embedded, MANAGER)
    before = await Held.of(embedded)
    assert await run(MANAGER, "--apply", "--image", OURS) == 3
    assert "agree by --yes" in run.err
    assert "1. Apply our definitions" in run.out
    assert await world.image_there() == world.image
    assert await Held.of(embedded) == before
    assert await run(MANAGER, "--undo", "--yes") == 2
    assert "keeps nothing to go back to" in run.err


async def test_a_step_that_fails_stops_all_and_names_the_way_back(
    embedded: Setup, run: Run
) -> None:
    world = await installed(embedded, MANAGER)
    before = {entry.id for entry in embedded.all_entries()}
    async with a_node(world) as node:
        node.fails = True
        flags = ("--apply", "--yes", "--image", OURS, "--timeout", "1s")
        code, document = await run.document(MANAGER, *flags)
        assert code == 1
        assert [step["done"] for step in document["steps"]] == [True] * 3 + [False]  # type: ignore[attr-defined]
        assert f"--undo --output-dir {run.folder}" in run.err
        node.fails = False
        # It goes on from there.
        code, _ = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
        assert code == 0, run.err
        # And what is done already is not done again.
        ran = list(node.ran)
        code, document = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
        assert (code, node.ran) == (0, ran), run.err
        assert await run(MANAGER, "--undo", "--yes") == 0
        ran = list(node.ran)
        assert await run(MANAGER, "--undo", "--yes") == 0
        assert node.ran == ran
    assert before == {entry.id for entry in embedded.all_entries()}


async def test_without_the_spire_server_nothing_is_done_unwatched(
    embedded: Setup, run: Run, tmp_path: Path
) -> None:
    world = await installed(embedded, MANAGER)
    nowhere = ("--server-socket-path", str(tmp_path / "nowhere.sock"))
    assert await run(MANAGER, *nowhere) == 0
    assert "There is no plan from here" in run.out
    assert await run(MANAGER, "--apply", "--yes", "--image", OURS, *nowhere) == 1
    assert "the entries cannot be watched" in run.err
    assert await world.image_there() == world.image
    async with a_node(world):
        flags = ("--apply", "--yes", "--image", OURS, "--unwatched", *nowhere)
        code, document = await run.document(MANAGER, *flags)
        assert (code, document["watch"]) == (0, None), run.err


async def test_an_entry_that_is_missing_is_reported(embedded: Setup, run: Run) -> None:
    world = await installed(embedded, MANAGER)
    async with a_node(world) as node:
        node.on_end = lambda: embedded.spire.state.delete("by-hand")
        code, document = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
    watch = document["watch"]
    assert isinstance(watch, dict)
    assert code == 4, run.err
    assert watch["missing"] == ["spiffe://example.org/by-hand"]
    assert watch["missingMoments"] > 0


async def test_what_goes_with_its_pod_is_not_missing(embedded: Setup, run: Run) -> None:
    world = await installed(embedded, MANAGER)
    async with a_node(world) as node:
        node.before_ours = lambda: Manager(embedded).delete_pod("a")
        node.on_end = lambda: embedded.spire.state.delete("peer-a")
        code, document = await run.document(MANAGER, "--apply", "--yes", "--image", OURS)
    watch = document["watch"]
    assert isinstance(watch, dict)
    assert (code, watch["missingMoments"], watch["wentWithTheirPods"]) == (0, 0, 1), run.err


async def test_a_registrar_that_has_the_prefix_keeps_another_away(
    embedded: Setup, run: Run
) -> None:
    world = await installed(embedded, WORKLOAD)
    changes = {"workload_registrar": ReconcileMode(), "pods": PodIdentity("label", "x")}
    async with embedded.registrar(**changes, leader_election=LeaderElection("default", "other")):
        code, document = await run.document(WORKLOAD, "--apply", "--yes", "--image", OURS)
    assert code == 3
    assert "is held by reconcile mode" in str(document["error"])
    assert await world.image_there() == world.image


async def test_a_folder_of_something_else_is_left_alone(embedded: Setup, run: Run) -> None:
    await installed(embedded, MANAGER)
    run.folder.mkdir()
    (run.folder / "migration.json").write_text("{")
    assert await run(MANAGER) == 2
    assert "migration.json is broken" in run.err
    (run.folder / "migration.json").write_text('{"version": 2}')
    assert await run(MANAGER) == 2
    assert "is of version 2" in run.err


async def test_the_plan_is_of_what_is_written_anew(embedded: Setup, run: Run) -> None:
    await installed(embedded, LAYERED)
    assert await run(LAYERED) == 0
    # The objects that the peer had made for Pods go with its kind.
    assert "Entries: 3 to adopt." in run.out
    written = (run.folder / "identities/identities.yaml").read_text()
    names = [str(document["metadata"]) for document in load_yaml_documents(written)]  # type: ignore[index,call-overload]
    assert names == ["{'name': 'a'}", "{'name': 'b'}"]
