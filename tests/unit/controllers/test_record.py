"""What is recorded of an entry, and when a record goes."""

from api.core import ObjectReference
from api.meta import ObjectKey
from controllers.lastgood import RECORD_INDEXES
from controllers.record import RecordReconciler
from controllers.recreation import RecreationBackoff
from registrar.claims.outcome import PENDING
from registrar.claims.record import record
from registrar.kube.store import Store
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.builders import make_claim, make_key
from tests.support.madeworld import Kube, Unreached
from tests.support.shared import a_shared_state

NOW = "2026-01-02T03:04:05Z"


class Events:
    """What people are told, by reason."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002, ARG002 - the protocol's
        self.reasons.append(reason)


async def test_no_record_goes_before_every_object_was_looked_at() -> None:
    shared, kube, events = a_shared_state(), Kube(), Events()
    objects = shared.spire_entries = Store(RECORD_INDEXES)
    stored = kube.stored(
        record(
            name="web",
            instance=shared.records.label,
            claims=[make_claim(key=make_key("/web"))],
            outcome=PENDING,
            old=None,
            now=NOW,
        )
    )
    objects.put(stored)
    reconciler = RecordReconciler(
        shared,
        objects=objects,
        kube=kube,
        events=events,
        mirror=EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True),
        is_available=lambda: True,
        alias_key=None,
        recreation=RecreationBackoff(lambda: 0.0),
        timestamp=lambda: NOW,
    )
    await reconciler.reconcile("web")
    assert ObjectKey("", "web") in kube.objects
    assert events.reasons == []
    shared.has_seen_all = True
    await reconciler.reconcile("web")
    assert kube.objects == {}
    assert events.reasons == ["Unclaimed"]
