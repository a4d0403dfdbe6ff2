"""In which order the keys of sources come: namespaces take turns, and who has nothing comes first.

So a Pod of one namespace does not wait until ten thousand of another one have their entries, and
no Pod waits until ten thousand entries that are there already were looked at or put right.
"""

from collections.abc import Callable

from api.meta import ObjectKey
from controllers.shared import SharedState
from registrar.claims.claim import Claimant
from registrar.identity.entry import EntryKey
from registrar.kube.turns import Turn, Urgency


def of_objects(
    shared: SharedState, source_of: Callable[[ObjectKey], Claimant]
) -> Callable[[ObjectKey], Turn]:
    """Objects that claim nothing yet come first."""

    def turn(key: ObjectKey) -> Turn:
        has_claims = shared.index.has(source_of(key))
        return Turn(Urgency.LATER if has_claims else Urgency.URGENT, key.namespace)

    return turn


def of_entries(
    shared: SharedState, is_there: Callable[[EntryKey], bool]
) -> Callable[[EntryKey], Turn]:
    """Entries that were never there come first.

    Those that are there, whoever made them, and those that were until somebody took them away,
    come after.
    """

    def turn(key: EntryKey) -> Turn:
        was_there = is_there(key) or shared.outcomes.is_set(key)
        winner = shared.index.winner(key)
        namespace = "" if winner is None else winner.source.namespace
        return Turn(Urgency.LATER if was_there else Urgency.URGENT, namespace)

    return turn
