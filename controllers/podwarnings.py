"""What is wrong with Pods, said once in an Event on each.

The Pod reconciler tells it what the rules found; it remembers what was said, so that
only changes are said. It decides nothing.
"""

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.ports import Events, reference
from registrar.claims.podrules import REASONS, Wanted


class PodWarnings:
    """Remembers what was said of which Pod, by reason."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._said: dict[tuple[ObjectKey, str], str] = {}

    def tell(self, pod: Pod, wanted: Wanted) -> None:
        """Report what the rules found wrong with a Pod."""
        for reason, message in wanted.warnings.items():
            self.say(pod, reason, message)

    def gone(self, key: ObjectKey) -> None:
        """There is no such Pod: forget what the rules found."""
        self.forget(key, *REASONS)

    def say(self, pod: Pod, reason: str, message: str) -> None:
        """Report a Warning on the Pod if it is news; the empty message takes it back silently."""
        about = (pod.key, reason)
        if not message:
            self._said.pop(about, None)
        elif self._said.get(about) != message:
            self._said[about] = message
            self._events.emit(reference(POD, pod), type="Warning", reason=reason, message=message)

    def is_said(self, pod: ObjectKey, reason: str) -> bool:
        """Whether something was said for this reason and not taken back."""
        return (pod, reason) in self._said

    def forget(self, pod: ObjectKey, *reasons: str) -> None:
        """Take back what was said for these reasons, silently."""
        for reason in reasons:
            self._said.pop((pod, reason), None)
