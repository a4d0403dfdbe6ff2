"""What a registrar that runs asks the SPIRE server of others."""

from pathlib import Path

import pytest

from devcluster.spire.server import SpireServer
from manager.explain.running import MOST_OTHERS, MOST_READ, Asked
from registrar.settings.model import UnixAddress
from registrar.spire.connection import open_connection
from tests.support.explaining import put_for_agents


@pytest.mark.parametrize(
    ("are_own", "kept", "are_all"),
    [(0, MOST_OTHERS, False), (1, MOST_OTHERS, True), (MOST_OTHERS + 1, 0, True)],
    ids=["none", "one", "all"],
)
async def test_only_entries_of_others_can_be_too_many(
    are_own: int, kept: int, *, are_all: bool, tmp_path: Path
) -> None:
    """A registrar has an entry for each Node, and knows those."""
    path = tmp_path / "spire.sock"
    async with (
        SpireServer.serve(socket_path=path) as server,
        open_connection(UnixAddress(path), trust_domain="example.org") as connection,
    ):
        ids = put_for_agents(server, MOST_OTHERS + 1)
        found = await Asked(connection, "example.org").aliases(ids[:are_own])
    assert (len(found.entries), found.are_all) == (kept, are_all)


@pytest.mark.parametrize(("more", "are_all"), [(0, True), (1, False)], ids=["most", "too-many"])
async def test_a_read_ends_however_many_entries_are_own(
    more: int, *, are_all: bool, tmp_path: Path
) -> None:
    """A SPIFFE ID may have tens of thousands; the question has its time all the same."""
    path = tmp_path / "spire.sock"
    async with (
        SpireServer.serve(socket_path=path) as server,
        open_connection(UnixAddress(path), trust_domain="example.org") as connection,
    ):
        ids = put_for_agents(server, MOST_READ + more)
        found = await Asked(connection, "example.org").aliases(frozenset(ids))
    assert (len(found.entries), found.are_all) == (0, are_all)
