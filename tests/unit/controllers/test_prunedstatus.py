"""When a status is not written: what was sent before, whatever time it carries."""

from api.meta import Condition
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntryStatus
from controllers.prunedstatus import PrunedStatuses


def status(time: str, message: str = "set") -> ClusterStaticEntryStatus:
    """A status that became what it says at that time."""
    condition = Condition(type="Ready", status="True", message=message, last_transition_time=time)
    return ClusterStaticEntryStatus(rendered=True, set=True, conditions=(condition,))


def test_what_an_api_server_has_pruned_is_not_sent_again_at_another_time() -> None:
    statuses, pruned = PrunedStatuses(), ClusterStaticEntryStatus(rendered=True, set=True)
    statuses.answered("a", status("12:00"), pruned)
    assert statuses.is_in_vain("a", status("12:01"), pruned)
    assert not statuses.is_in_vain("a", status("12:01", "failed"), pruned)
    assert not statuses.is_in_vain("a", status("12:01"), ClusterStaticEntryStatus())
    assert not statuses.is_in_vain("b", status("12:01"), pruned)


def test_what_was_stored_whole_is_no_vain_write() -> None:
    statuses = PrunedStatuses()
    statuses.answered("a", status("12:00"), status("12:00"))
    assert not statuses.is_in_vain("a", status("12:01"), status("12:00"))


def test_the_status_of_an_object_that_does_not_decode_is_sent_once() -> None:
    statuses, before = PrunedStatuses(), ClusterStaticEntryStatus()
    statuses.unread("a", status("12:00"), before)
    assert statuses.is_in_vain("a", status("12:01"), before)
