"""A preview, and the registrar that then does just what it said."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from api.kinds import CLUSTER_STATIC_ENTRY
from manager.preview.model import Action
from manager.preview.rehearsal import CannotPreview, rehearsed
from registrar.identity.entry import Entry
from registrar.settings.model import (
    ControllerManager,
    DeletionBudget,
    LeaderElection,
    UnixAddress,
)
from tests.support.controllermanager import Manager
from tests.support.federation import PARTNER, document, seed
from tests.support.previews import foresee, held, path_of
from tests.support.previewworlds import (
    CONTROLLER_MANAGER,
    LAYERED,
    OWN_NAMESPACE,
    RECONCILE,
    WORLDS,
    World,
    nothing,
    of_others,
)
from tests.support.setup import Setup, eventually, some_looks, until


@pytest.fixture(autouse=True)
def own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", OWN_NAMESPACE)


def by_name(world: World) -> str:
    return world.name


def holds(setup: Setup, entries: dict[str, Entry]) -> bool:
    """Whether the SPIRE server holds just these entries."""
    return held(setup) == entries


async def follows(setup: Setup, world: World, folder: Path) -> None:
    """Preview each step, then have a registrar do it; a second preview finds nothing to do."""
    for step in (*world.steps, nothing):
        await step(setup, folder)
        changes = world.changes(folder)
        outlook, after = await foresee(setup, changes)
        assert not outlook.unread
        assert outlook.has_changes == (step is not nothing)
        async with setup.registrar(**changes):
            await until(partial(holds, setup, after))
            if setup.embedded is not None:
                # It stays so.
                await some_looks(setup, 2)
                assert held(setup) == after
            during, _ = await foresee(setup, changes, is_alone=False)
            changed = [c for c in during.relationships if c.action is not Action.KEEP]
            assert (during.changes, changed) == ([], [])


@pytest.mark.parametrize("world", WORLDS, ids=by_name)
async def test_a_registrar_does_what_its_preview_says(
    embedded: Setup, world: World, tmp_path: Path
) -> None:
    await follows(embedded, world, tmp_path)


@pytest.mark.real("control plane", "spire")
@pytest.mark.slow
@pytest.mark.parametrize("world", [LAYERED, CONTROLLER_MANAGER, RECONCILE], ids=by_name)
async def test_it_does_so_on_real_servers(
    real_servers: Setup, world: World, tmp_path: Path
) -> None:
    await follows(real_servers, world, tmp_path)


async def prepared(setup: Setup, folder: Path) -> dict[str, object]:
    """The controller manager's world after its change, as a registrar finds it."""
    first, later = CONTROLLER_MANAGER.steps
    changes = CONTROLLER_MANAGER.changes(folder)
    await first(setup, folder)
    async with setup.registrar(**changes):
        await until(lambda: len(setup.entries()) == 6)

        async def are_recorded() -> bool:
            return len(await setup.spire_entries()) == 6

        await eventually(are_recorded)
    await later(setup, folder)
    return changes


async def test_each_entry_says_what_becomes_of_it_and_why(embedded: Setup, tmp_path: Path) -> None:
    changes = await prepared(embedded, tmp_path)
    outlook, _ = await foresee(embedded, changes)
    found = {(c.action, path_of(c)): c for c in outlook.entries}
    update = next(c for c in outlook.entries if c.fields == ("hint",))
    assert (update.before, update.after) != (None, None)
    assert [(c.source.name, c.template and c.template.name) for c in update.claims] == [
        ("b", "named")
    ]
    gone = found[Action.DELETE, "/pod/a"]
    assert {str(o) for o in gone.recorded_for} == {"Pod default/a", "ClusterSPIFFEID named"}
    assert gone.after is None
    assert gone.why == "nobody claims it any more"
    assert (Action.CREATE, "/static/two") in found
    (relationship,) = outlook.relationships
    assert (relationship.action, relationship.trust_domain) == (Action.UPDATE, "partner.test")
    assert [o.name for o in relationship.objects] == ["partner"]
    broken = [f for f in outlook.findings if f.object.name == "broken"]
    assert [f.reason for f in broken] == ["RenderFailed"]
    assert outlook.counts.objects["pods"] == 3


async def test_what_others_made_is_adopted_or_stands_in_the_way(embedded: Setup) -> None:
    manager = Manager(embedded)
    await manager.static_entry("three")
    embedded.spire.state.put(of_others("/static/three", 1))
    settings: dict[str, object] = {"controller_manager": ControllerManager()}
    outlook, after = await foresee(embedded, settings)
    (adopted,) = outlook.changes
    assert (adopted.action, adopted.entry_id, adopted.fields) == (
        Action.ADOPT,
        "foreign-1",
        ("hint",),
    )
    assert after["foreign-1"].attributes.hint == ""
    outlook, after = await foresee(embedded, {"adoption_policy": "refuse", **settings})
    (blocked,) = outlook.changes
    assert (blocked.action, blocked.fields) == (Action.BLOCKED, ("hint",))
    assert "adoption_policy" in blocked.why
    assert not outlook.has_changes
    assert after["foreign-1"].attributes.hint == "theirs"
    assert [f.object.name for f in outlook.findings] == ["three"]


async def test_deletions_beyond_the_budget_are_withheld_until_a_person_agrees(
    embedded: Setup,
) -> None:
    manager = Manager(embedded)
    for name in ("a", "b", "c"):
        await manager.static_entry(name)
    settings: dict[str, object] = {"controller_manager": ControllerManager()}
    async with embedded.registrar(**settings):
        await until(lambda: len(embedded.entries()) == 3)
    for name in ("a", "b"):
        await manager.delete(CLUSTER_STATIC_ENTRY, name)
    narrow = DeletionBudget(count=1, fraction=0.1)
    outlook, after = await foresee(embedded, {"deletion_budget": narrow, **settings})
    assert outlook.counts.entries == {Action.KEEP: 1, Action.WITHHELD: 2}
    assert "2 of 3 entries would be deleted" in outlook.withheld
    assert (outlook.has_deletions, outlook.has_changes, len(after)) == (True, False, 3)
    outlook, after = await foresee(embedded, settings)
    assert outlook.counts.entries == {Action.DELETE: 2, Action.KEEP: 1}
    assert len(after) == 1


async def test_a_bundle_that_is_given_lets_entries_federate_at_once(embedded: Setup) -> None:
    manager = Manager(embedded)
    await manager.static_entry("a", federatesWith=["partner.test", "nobody.test"])
    await manager.trust_domain("partner", **PARTNER, trustDomainBundle=document(seed("a")))
    outlook, after = await foresee(embedded, {"controller_manager": ControllerManager()})
    (change,) = outlook.changes
    assert change.pending == ("nobody.test",)
    assert [e.attributes.federates_with for e in after.values()] == [("partner.test",)]
    (relationship,) = outlook.relationships
    assert (relationship.action, relationship.gives_bundle) == (Action.CREATE, True)
    assert not embedded.spire.state.relationships


async def test_what_cannot_be_read_is_kept_and_the_missing_right_is_named(embedded: Setup) -> None:
    manager = Manager(embedded)
    await manager.static_entry("a")
    settings: dict[str, object] = {"controller_manager": ControllerManager()}
    async with embedded.registrar(**settings):
        await until(lambda: len(embedded.entries()) == 1)
    assert embedded.embedded is not None
    resource = CLUSTER_STATIC_ENTRY.plural
    embedded.embedded.faults.fail(None, status=403, method="list", resource=resource)
    async with rehearsed(replace(embedded.settings, **settings)) as preview:  # type: ignore[arg-type]
        outlook = preview.outlook
    assert [(u.resource, u.is_right, u.stops) for u in outlook.unread] == [
        (CLUSTER_STATIC_ENTRY.resource, True, False)
    ]
    (kept,) = outlook.entries
    assert (kept.action, outlook.has_deletions) == (Action.HELD, False)


async def test_without_what_a_registrar_would_wait_for_there_is_no_preview(
    embedded: Setup,
) -> None:
    assert embedded.embedded is not None
    embedded.embedded.faults.fail(None, status=403, method="list", resource="pods")
    settings = replace(embedded.settings, controller_manager=ControllerManager())
    with pytest.raises(CannotPreview) as raised:
        async with rehearsed(settings):
            pass
    (unread,) = raised.value.unread
    assert (unread.resource, unread.is_right, unread.stops) == ("pods", True, True)
    assert "list and watch on pods" in unread.remedy


async def test_a_spire_server_that_is_not_there_is_named(embedded: Setup, tmp_path: Path) -> None:
    settings = replace(embedded.settings, spire=UnixAddress(tmp_path / "nothing.sock"))
    with pytest.raises(CannotPreview) as raised:
        async with rehearsed(settings):
            pass
    assert [u.resource for u in raised.value.unread] == ["the SPIRE server"]


async def test_another_registrar_with_the_prefix_is_named(embedded: Setup) -> None:
    same = {"entry_id_prefix": "shared"}
    manager: dict[str, object] = {"controller_manager": ControllerManager(), **same}
    async with embedded.registrar(**same):
        # Its own entry is all that it makes.
        await until(lambda: len(embedded.all_entries()) == 1)
        outlook, _ = await foresee(embedded, manager, is_alone=False)
        assert "held by layered mode" in outlook.held_by
        outlook, _ = await foresee(embedded, same, is_alone=False)
        assert outlook.held_by == ""
    outlook, _ = await foresee(embedded, manager)
    assert outlook.held_by == ""


async def test_who_asks_from_elsewhere_is_taken_for_the_registrar_that_runs(
    embedded: Setup,
) -> None:
    elected = LeaderElection("default", "registrar", 30.0, 20.0, 0.1)
    same: dict[str, object] = {"controller_manager": ControllerManager()}
    async with embedded.registrar(leader_election=elected, **same):
        anywhere = replace(elected, namespace=None)
        outlook, _ = await foresee(embedded, {"leader_election": anywhere, **same}, is_alone=False)
        assert outlook.held_by == ""
        other = replace(elected, name="other", namespace=None)
        outlook, _ = await foresee(embedded, {"leader_election": other, **same}, is_alone=False)
        assert "Lease default/registrar" in outlook.held_by


async def test_an_object_of_another_class_does_not_ask_for_a_relationship(
    embedded: Setup,
) -> None:
    manager = Manager(embedded)
    await manager.trust_domain("older", **PARTNER, className="other")
    await manager.trust_domain("mine", **PARTNER)
    settings: dict[str, object] = {"controller_manager": ControllerManager()}
    outlook, _ = await foresee(embedded, settings)
    (relationship,) = outlook.relationships
    assert [o.name for o in relationship.objects] == ["mine"]
