"""A preview, and the registrar that then does just what it said."""

from pathlib import Path

import pytest

from manager.preview.model import Action
from tests.support.previews import foresee, held, path_of
from tests.support.previewworlds import (
    CONTROLLER_MANAGER,
    LAYERED,
    OWN_NAMESPACE,
    RECONCILE,
    WORLDS,
    World,
    nothing,
)
from tests.support.setup import Setup, eventually, until


@pytest.fixture(autouse=True)
def own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", OWN_NAMESPACE)


def by_name(world: World) -> str:
    return world.name


async def follows(setup: Setup, world: World, folder: Path) -> None:
    """Preview each step, then have a registrar do it; a second preview finds nothing to do."""
    for step in (*world.steps, nothing):
        await step(setup, folder)
        changes = world.changes(folder)
        outlook, after = await foresee(setup, **changes)
        assert not outlook.unread
        assert outlook.has_changes == (step is not nothing)
        async with setup.registrar(**changes):
            try:
                await until(lambda: held(setup) == after)
            except TimeoutError:
                assert held(setup) == after
            during, _ = await foresee(setup, is_alone=False, **changes)
            assert not during.has_changes, [c for c in during.changes]


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
    outlook, _ = await foresee(embedded, **changes)
    for change in outlook.entries:
        print(
            change.action,
            path_of(change),
            change.fields,
            [str(c.source) + str(c.template) for c in change.claims],
            change.recorded_for,
            change.why,
            change.pending,
        )
    print(outlook.relationships, outlook.findings, outlook.counts)
    assert 0
