"""What a watch counts, of a server that says exactly what a test tells it to."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from api.proto import types_pb2
from manager.migrate.watch import Pods, Watch
from registrar.identity.entry import Entry
from registrar.spire.errors import Unavailable
from tests.support.peers import an_entry

A = an_entry("1", "/a", "/agent", "k8s:pod-uid:uid-a")
B = an_entry("2", "/b", "/agent", "k8s:ns:default", "k8s:pod-name:b")
ANEW = an_entry("9", "/a", "/agent", "k8s:pod-uid:uid-a")
HAND = an_entry("3", "/hand", "/agent", "unix:uid:0")


class Listings:
    """Gives one listing after the other; None for one that is not answered."""

    def __init__(self, *listings: Sequence[types_pb2.Entry] | None) -> None:
        self._listings = list(listings)

    async def pages(
        self, *, mask: types_pb2.EntryMask | None = None, spiffe_id: str = ""
    ) -> AsyncGenerator[list[types_pb2.Entry], None]:
        """The next one, an entry a page."""
        del mask, spiffe_id
        found = self._listings.pop(0)
        if found is None:
            raise Unavailable("away")
        for entry in found:
            yield [entry]

    async def get(self, entry_id: str) -> Entry:
        """Not to be called."""
        raise NotImplementedError(entry_id)


@pytest.mark.parametrize(
    ("listings", "pods", "counted"),
    [
        ([[A, B], [A, B], [B, A]], None, (2, 3, 0, 0, 0)),
        ([[A, B], [A], [A, B]], None, (2, 3, 1, 0, 0)),
        ([[A, B], [A], [B], [A, B]], None, (2, 4, 2, 0, 0)),
        ([[A], None, None, [A]], None, (1, 2, 0, 0, 2)),
        ([[A], [ANEW], [ANEW]], None, (1, 3, 0, 0, 0)),
        ([[A, B], [A, B, HAND], [A, B]], None, (2, 3, 0, 0, 0)),
        ([[], [A], []], None, (0, 3, 0, 0, 0)),
        ([[A, B, HAND], [HAND], [HAND]], Pods(frozenset(), frozenset()), (3, 3, 0, 2, 0)),
        (
            [[A, B], [], []],
            Pods(frozenset({"uid-a"}), frozenset({("default", "b")})),
            (2, 3, 2, 0, 0),
        ),
        ([[HAND], []], Pods(frozenset(), frozenset()), (1, 2, 1, 0, 0)),
    ],
    ids=[
        "all-there",
        "one-moment",
        "two-moments",
        "unanswered",
        "anew",
        "more",
        "none",
        "gone-with-pods",
        "pods-are-there",
        "of-no-pod",
    ],
)
async def test_moments_are_listings_in_which_one_was_missing(
    listings: list[list[types_pb2.Entry] | None],
    pods: Pods | None,
    counted: tuple[int, int, int, int, int],
) -> None:
    watch = Watch(Listings(*listings))
    await watch.begin()
    for _ in listings[1:]:
        await watch.look()
    seen = watch.report(pods)
    assert counted == (
        seen.watched,
        seen.listings,
        seen.moments,
        seen.departed,
        seen.unanswered,
    )
    assert bool(seen.missing) == bool(seen.moments)
