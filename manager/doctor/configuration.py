"""What is looked for: the configuration as it was understood, and the version of this program."""

import asyncio
from importlib.metadata import version

from manager.doctor.finding import Finding, ok
from manager.doctor.world import World

CONFIGURATION = "configuration"


async def configuration(world: World) -> list[Finding]:
    """The mode and the names that everything else is compared with."""
    settings = world.settings
    why = f" ({settings.origin.why})" if settings.origin.why else ""
    program = await asyncio.to_thread(version, "spire-registrar")
    words = (
        f"spire-registrar {program}, {settings.mode} mode{why}: trust domain "
        f"{settings.trust_domain}, cluster {settings.cluster!r}"
    )
    return [ok(CONFIGURATION, words)]
