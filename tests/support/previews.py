"""What a preview says, compared with what both servers hold before and after."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from api.crd import CUSTOM_KINDS
from api.kinds import CONFIG_MAP, EVENT, LEASE, NODE, POD
from manager.preview.model import Change, Outlook
from manager.preview.rehearsal import rehearsed
from registrar.identity.entry import Entry
from registrar.settings.model import Settings
from registrar.spire.convert import from_proto
from tests.support.setup import Setup

_KINDS = (*(custom.kind for custom in CUSTOM_KINDS), CONFIG_MAP, EVENT, LEASE, NODE, POD)


@dataclass(frozen=True)
class Held:
    """What the SPIRE server holds, and the versions of what the API server does."""

    entries: Mapping[str, Entry]
    versions: frozenset[tuple[str, str, str]]

    @classmethod
    async def of(cls, setup: Setup) -> "Held":
        """Look at both."""
        entries = {e.id: from_proto(e) for e in setup.all_entries()}
        return cls(entries, frozenset(await _versions(setup)))


async def _versions(setup: Setup) -> list[tuple[str, str, str]]:
    found = []
    for kind in _KINDS:
        items = (await setup.client.get(kind.path()))["items"]
        assert isinstance(items, list)
        for item in items:
            assert isinstance(item, dict)
            metadata = item["metadata"]
            assert isinstance(metadata, dict)
            # What a cluster's own components renew is theirs.
            if metadata.get("namespace") in {"kube-system", "kube-node-lease"}:
                continue
            uid, version = str(metadata["uid"]), str(metadata["resourceVersion"])
            found.append((kind.resource, uid, version))
    return found


def path_of(change: Change) -> str:
    """The path of the SPIFFE ID."""
    return "/" + change.key.spiffe_id.removeprefix("spiffe://").partition("/")[2]


def shown(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Entries without what only the server sets."""
    return {id_: replace(entry, revision_number=0, created_at=0) for id_, entry in entries.items()}


def held(setup: Setup) -> dict[str, Entry]:
    """What the SPIRE server holds at this moment, without what only it sets."""
    return shown({e.id: from_proto(e) for e in setup.all_entries()})


async def foresee(
    setup: Setup, changes: Mapping[str, object], *, is_alone: bool = True
) -> tuple[Outlook, dict[str, Entry]]:
    """Preview a registrar with changed settings; where none runs, see to it that nothing is written.

    Gives the outlook, and the entries that the SPIRE server would hold.
    """
    before = await Held.of(setup)
    settings: Settings = replace(setup.settings, **changes)  # type: ignore[arg-type]
    async with rehearsed(settings) as preview:
        outlook = preview.outlook
        own = {entry.id for entry in preview.before.own.values()}
        after = {
            **{id_: entry for id_, entry in before.entries.items() if id_ not in own},
            **preview.mirror.own,
        }
    after_it = await Held.of(setup)
    assert after_it.entries == before.entries
    if is_alone:
        assert after_it.versions == before.versions
    return outlook, shown(after)
