"""What a rehearsed start of the registrar knows."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from controllers.shared import SharedState
from controllers.source import AnySource
from manager.caches.cache import Unread
from manager.modes.mode import Mode
from manager.preview.model import Change
from manager.preview.rehearsal import Preview
from registrar.claims.podselectors import PodSelectors
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.session import API
from registrar.settings.model import Settings
from registrar.spire.calls import Channels

_RUNS = (
    "see that a registrar with this configuration runs and leads: its log, /readyz?verbose, "
    "and the Lease of its replicas"
)


class Rehearsed:
    """A Preview, to be asked. It has read everything, so it learns nothing more."""

    def __init__(self, preview: Preview) -> None:
        self._preview = preview

    @property
    def settings(self) -> Settings:
        """Those that it works by."""
        return self._preview.settings

    @property
    def mode(self) -> Mode:
        """What it reads of the API server."""
        return self._preview.mode

    @property
    def shared(self) -> SharedState:
        """The claims, the outcomes and the problems."""
        return self._preview.shared

    @property
    def sources(self) -> Sequence[AnySource]:
        """To ask for reasons."""
        return self._preview.sources

    @property
    def unread(self) -> Sequence[Unread]:
        """What it could not read."""
        return self._preview.unread

    @property
    def session(self) -> API | None:
        """To ask the API server further."""
        return self._preview.session

    @property
    def connection(self) -> Channels:
        """To ask the SPIRE server further."""
        return self._preview.connection

    @property
    def remedy(self) -> str:
        """Somebody has to do what was only rehearsed."""
        return self._preview.held_by or _RUNS

    async def look(
        self,
        *,
        spiffe_id: str = "",  # noqa: ARG002 - the protocol's
        entry_id: str = "",  # noqa: ARG002
        pod: PodSelectors | None = None,  # noqa: ARG002
    ) -> str:
        """All entries are known."""
        return ""

    def entries(self) -> Iterator[Entry]:
        """Every entry on the SPIRE server."""
        yield from self._preview.before.foreign.values()
        yield from self._preview.before.own.values()

    def held(self, key: EntryKey) -> Entry | None:
        """The entry with that key, rather ours."""
        return self._held.get(key)

    def with_id(self, entry_id: str) -> Entry | None:
        """The entry with that ID."""
        return next((entry for entry in self._held.values() if entry.id == entry_id), None)

    def is_ours(self, entry_id: str) -> bool:
        """Whether the entry of that ID is this registrar's."""
        return entry_id in self._preview.before.own

    def change_of(self, key: EntryKey) -> Change | None:
        """What would become of the entry with that key."""
        return self._changes.get(key)

    def keys_planned_as(self, entry_id: str) -> Sequence[EntryKey]:
        """The keys whose entry would have that ID."""
        return [c.key for c in self._preview.outlook.entries if c.entry_id == entry_id]

    @cached_property
    def _held(self) -> dict[EntryKey, Entry]:
        return {entry.key: entry for entry in self.entries()}

    @cached_property
    def _changes(self) -> dict[EntryKey, Change]:
        return {change.key: change for change in self._preview.outlook.entries}
