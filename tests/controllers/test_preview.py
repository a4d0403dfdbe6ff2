"""A preview, and the registrar that does what it said."""

from tests.support.controllermanager import Manager
from tests.support.previews import foresee
from tests.support.setup import Setup, until
from registrar.settings.model import ControllerManager


async def test_smoke(embedded: Setup) -> None:
    manager = Manager(embedded)
    await manager.node()
    await manager.template("all")
    await manager.static_entry("one")
    for i in range(3):
        await manager.pod(f"p{i}")
    outlook, after = await foresee(embedded, controller_manager=ControllerManager())
    print(outlook)
    assert len(after) == 4
