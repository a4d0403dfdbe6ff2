"""What the conditions of a ClusterSPIFFEID say besides Ready."""

from collections.abc import Mapping

from api.meta import Condition, ObjectKey, ObjectMeta, find_condition
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from registrar.claims.tally import Part, Tally
from registrar.claims.templatestatus import Namespaces, status_of


def pod(number: int) -> ObjectKey:
    return ObjectKey("shop", f"web-{number}")


def conditions(tally: Tally, before: ClusterSPIFFEID | None = None) -> tuple[Condition, ...]:
    obj = before or ClusterSPIFFEID(metadata=ObjectMeta(name="t", generation=3))
    status = status_of(
        obj,
        tally=tally,
        namespaces=Namespaces(1, ()),
        failing=[],
        pending=(),
        problem=None,
        now="2026-01-01T00:00:00Z",
    )
    return status.conditions


def masked(tally: Tally, winners: Mapping[int, str]) -> None:
    for number, winner in winners.items():
        tally.note(pod(number), {"t": Part.MASKED}, {}, masked={"t": winner})


def test_a_template_without_masked_entries_says_nothing_of_it() -> None:
    tally = Tally()
    tally.note(pod(1), {"t": Part.TO_SET}, {})
    assert [condition.type for condition in conditions(tally)] == ["Ready"]


def test_some_masked_entries_are_counted_with_who_wins() -> None:
    tally = Tally()
    tally.note(pod(0), {"t": Part.TO_SET}, {})
    masked(tally, {1: "ClusterSPIFFEID old", 2: "ClusterSPIFFEID old", 3: "ClusterStaticEntry s"})
    found = find_condition(conditions(tally), "Masked")
    assert found is not None
    assert (found.status, found.reason, found.observed_generation) == ("True", "OlderClaim", 3)
    assert "3 of 4 of its entries" in found.message
    assert "ClusterSPIFFEID old (2), ClusterStaticEntry s (1)" in found.message


def test_all_masked_entries_are_said_to_be_all() -> None:
    tally = Tally()
    masked(tally, {1: "ClusterSPIFFEID old"})
    found = find_condition(conditions(tally), "Masked")
    assert found is not None
    assert "all 1 of its entries" in found.message


def test_a_change_of_the_winner_alone_is_news() -> None:
    tally = Tally()
    masked(tally, {1: "ClusterSPIFFEID old"})
    changed = tally.note(pod(1), {"t": Part.MASKED}, {}, masked={"t": "ClusterStaticEntry s"})
    assert changed == {"t"}
    assert tally.note(pod(1), {}, {}) == {"t"}
    assert tally.masked("t") == {}


def test_dns_names_that_are_left_out_are_said_by_pod() -> None:
    tally = Tally()
    for number in range(5):
        tally.note(pod(number), {"t": Part.TO_SET}, {}, left_out={"t": f"spec.x[{number}]: bad"})
    found = conditions(tally)
    omitted = find_condition(found, "DNSNamesOmitted")
    ready = find_condition(found, "Ready")
    assert omitted is not None
    assert ready is not None
    assert ready.status == "True"
    assert "5 Pods" in omitted.message
    assert "shop/web-0: spec.x[0]: bad" in omitted.message
    assert omitted.message.endswith("and more")


def test_a_failure_that_many_pods_share_is_said_once_with_some_of_them() -> None:
    tally = Tally()
    for number in range(6):
        why = "spec.x: one fault" if number else "spec.y: another fault"
        tally.note(pod(number), {"t": Part.FAILED}, {"t": why})
    ready = find_condition(conditions(tally), "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "RenderFailed")
    assert ready.message == (
        "6 Pods do not render, what they had stays: "
        "shop/web-1, shop/web-2, shop/web-3 and 2 more: spec.x: one fault; "
        "shop/web-0: spec.y: another fault"
    )
