"""The newest changes and failures among many SpireEntries."""

from api.meta import Condition, ObjectKey, ObjectMeta
from api.spiffeid.v1beta1.spireentry import SpireEntry, SpireEntrySpec, SpireEntryStatus
from manager.top.records import MOST, History
from registrar.claims.record import READY
from registrar.kube.store import Change


def entry(name: str, status: str = "True", *, at: str = "2026-01-01T00:00:00Z") -> SpireEntry:
    ready = Condition(
        type=READY,
        status=status,
        reason="Set" if status == "True" else "Failed",
        message="" if status == "True" else "no",
        last_transition_time=at,
    )
    return SpireEntry(
        metadata=ObjectMeta(name=name),
        spec=SpireEntrySpec(spiffe_id=f"spiffe://a/{name}", parent_id="spiffe://a/p", selectors=()),
        status=SpireEntryStatus(conditions=(ready,)),
    )


def told(
    history: History,
    old: SpireEntry | None,
    new: SpireEntry | None,
    *,
    at: str,
    first: bool = False,
) -> None:
    either = new or old
    assert either is not None
    key = ObjectKey("", either.metadata.name)
    history.heard(Change(key, old, new), at=at, is_first=first)


def test_what_was_there_counts_by_its_own_time_and_what_comes_later_by_ours() -> None:
    history = History()
    told(
        history, None, entry("a", at="2026-01-01T00:00:01Z"), at="2026-01-02T00:00:00Z", first=True
    )
    told(
        history, None, entry("b", at="2026-01-01T00:00:02Z"), at="2026-01-02T00:00:00Z", first=True
    )
    told(history, entry("a"), entry("a"), at="2026-01-02T00:00:01Z")
    told(history, entry("b"), None, at="2026-01-02T00:00:02Z")
    records = history.records()
    assert [(one.what, one.name) for one in records.newest][:2] == [("gone", "b"), ("changed", "a")]
    assert records.number == 1


def test_a_failure_stays_until_it_is_over() -> None:
    history = History()
    bad, good = entry("a", "False"), entry("a")
    told(history, None, bad, at="2026-01-02T00:00:00Z")
    (failing,) = history.records().failing
    assert (failing.what, failing.message, failing.spiffe_id) == ("Failed", "no", "spiffe://a/a")
    told(history, bad, good, at="2026-01-02T00:00:01Z")
    assert not history.records().failing
    told(history, good, bad, at="2026-01-02T00:00:02Z")
    told(history, bad, None, at="2026-01-02T00:00:03Z")
    assert not history.records().failing
    assert history.records().number == 0


def test_only_the_newest_are_held() -> None:
    history = History()
    for number in range(100):
        at = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        told(history, None, entry(f"e{number}", "False", at=at), at=at, first=True)
    records = history.records()
    assert [one.name for one in records.newest][:2] == ["e99", "e98"]
    assert len(records.newest) == len(records.failing) == MOST
    assert records.number == 100
