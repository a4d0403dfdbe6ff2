"""Whether our registrar works in the peer's place: it has its prefix, and nothing left to do."""

from datetime import UTC, datetime

from manager.migrate.waiting import until_no
from manager.prefixowner import holder_of
from manager.preview.model import Action, Outlook
from manager.preview.rehearsal import CannotPreview, rehearsed
from manager.side import prefixes_of
from registrar.errors import flat
from registrar.kube.client import KubeClient
from registrar.kube.session import API
from registrar.settings.model import Settings

_CHANGES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})


async def until_it_works(
    session: API,
    settings: Settings,
    *,
    namespace: str,
    sees_spire: bool,
    timeout_seconds: float | None,
) -> str:
    """Wait for it; gives what it has, in words. Raises NotInTime, KubeError and InvalidField."""
    holder = ""

    async def problem() -> str:
        nonlocal holder
        if settings.mode != "static":
            client = KubeClient(session, gate=lambda: False)
            prefix = (await prefixes_of(settings, client)).current
            holder = await holder_of(client, prefix=prefix, now=datetime.now(UTC))
            if not holder:
                return f"nobody holds the prefix {prefix!r} of entry IDs: see the Pod's log"
        return await _left(settings, namespace) if sees_spire else ""

    await until_no(problem, timeout_seconds=timeout_seconds)
    return f"it works: {holder}" if holder else "it works"


async def _left(settings: Settings, namespace: str) -> str:
    """What it has still to do; empty where nothing is left."""
    why = ""
    try:
        async with rehearsed(settings, namespace=namespace) as preview:
            if number := changes_in(preview.outlook):
                why = f"{number} entries or relationships still have to change"
    except* CannotPreview as errors:
        why = "; ".join(map(str, flat(errors)))
    return why


def changes_in(outlook: Outlook) -> int:
    """How much would change; what is taken over as it is does not."""
    entries = sum(
        change.action in _CHANGES or (change.action is Action.ADOPT and bool(change.fields))
        for change in outlook.entries
    )
    return entries + sum(change.action in _CHANGES for change in outlook.relationships)
