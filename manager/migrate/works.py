"""Whether our registrar works in the peer's place: it has its prefix, and has done what it would."""

import asyncio
from datetime import UTC, datetime

from manager.migrate.rollout import NotInTime
from manager.prefixowner import holder_of
from manager.preview.model import Action, Outlook
from manager.preview.rehearsal import CannotPreview, rehearsed
from manager.side import prefixes_of
from registrar.kube.client import KubeClient
from registrar.kube.session import API
from registrar.settings.model import Settings

_LOOK_SECONDS = 0.5


async def until_it_works(
    session: API,
    settings: Settings,
    *,
    namespace: str,
    sees_spire: bool,
    timeout_seconds: float | None,
) -> str:
    """Wait for it; gives what it has, in words. Raises NotInTime and KubeError."""
    why = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                holder, why = "", "nobody holds the prefix of our entry IDs yet: see the Pod's log"
                if settings.mode != "static":
                    client = KubeClient(session, gate=lambda: False)
                    prefix = (await prefixes_of(settings, client)).current
                    holder = await holder_of(client, prefix=prefix, now=datetime.now(UTC))
                if holder or settings.mode == "static":
                    why = await _left(settings, namespace) if sees_spire else ""
                    if not why:
                        return f"it works: {holder}" if holder else "it works"
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise NotInTime(f"not within {timeout_seconds:g} s: {why}") from None


async def _left(settings: Settings, namespace: str) -> str:
    """What it has still to do; empty where nothing is left."""
    try:
        async with rehearsed(settings, namespace=namespace) as preview:
            number = changes_in(preview.outlook)
    except CannotPreview as error:
        return str(error)
    return f"{number} entries or relationships still have to change" if number else ""


def changes_in(outlook: Outlook) -> int:
    """How much would change; what is taken over as it is does not."""
    actions = {Action.CREATE, Action.UPDATE, Action.DELETE}
    entries = sum(
        change.action in actions or (change.action is Action.ADOPT and bool(change.fields))
        for change in outlook.entries
    )
    return entries + sum(change.action in actions for change in outlook.relationships)
