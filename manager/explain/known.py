"""What an explanation is made of, wherever it comes from: a rehearsal, or a registrar that runs."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from controllers.shared import SharedState
from controllers.source import AnySource
from manager.caches.cache import Unread
from manager.modes.mode import Mode
from manager.preview.model import Change
from registrar.claims.podselectors import PodSelectors
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.session import API
from registrar.settings.model import Settings
from registrar.spire.calls import Channels


class Known(Protocol):
    """The knowledge of one registrar, to be asked."""

    @property
    def settings(self) -> Settings:
        """Those that it works by."""
        ...

    @property
    def mode(self) -> Mode:
        """What it reads of the API server."""
        ...

    @property
    def shared(self) -> SharedState:
        """The claims, the outcomes and the problems."""
        ...

    @property
    def sources(self) -> Sequence[AnySource]:
        """To ask for reasons; see ``explain`` of a Source."""
        ...

    @property
    def unread(self) -> Sequence[Unread]:
        """What it could not read."""
        ...

    @property
    def session(self) -> API | None:
        """To ask the API server further; None without a cluster."""
        ...

    @property
    def connection(self) -> Channels:
        """To ask the SPIRE server further."""
        ...

    @property
    def remedy(self) -> str:
        """What to do where an entry is not yet as it was asked for, and nothing is wrong."""
        ...

    async def look(
        self, *, spiffe_id: str = "", entry_id: str = "", pod: PodSelectors | None = None
    ) -> str:
        """Learn which entries of others concern this; why that cannot be learnt, or empty."""
        ...

    def entries(self) -> Iterator[Entry]:
        """The entries on the SPIRE server that are known, all of ours among them."""
        ...

    def held(self, key: EntryKey) -> Entry | None:
        """The entry with that key among them, rather ours."""
        ...

    def with_id(self, entry_id: str) -> Entry | None:
        """The entry with that ID among them."""
        ...

    def is_ours(self, entry_id: str) -> bool:
        """Whether the entry of that ID is this registrar's."""
        ...

    def change_of(self, key: EntryKey) -> Change | None:
        """What becomes of the entry with that key; None where nothing does."""
        ...

    def keys_planned_as(self, entry_id: str) -> Sequence[EntryKey]:
        """The keys whose entry is to have that ID."""
        ...
