"""What is wrong with Pods, said once in an Event on each."""

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.ports import Events, reference

INVALID_IDENTITY = "InvalidIdentity"
"""Reason of the Event on a Pod whose label, annotation or template makes no SPIFFE ID."""

INVALID_FEDERATION = "InvalidFederation"
"""Reason of the Event on a Pod that asks to federate with what is no trust domain."""

INVALID_DNS_NAME = "InvalidDNSName"
"""Reason of the Event on a Pod for which a template makes what is no DNS name."""

SERVICES_UNREADABLE = "ServicesUnreadable"
"""Reason of the Event on a Pod whose DNS names by services cannot be known."""

NAME_OF_ANOTHER_SERVICE = "NameOfAnotherService"
"""Reason of the Event on a Pod one of whose DNS names is that of a service of others."""

ALL = (
    INVALID_IDENTITY,
    INVALID_FEDERATION,
    INVALID_DNS_NAME,
    SERVICES_UNREADABLE,
    NAME_OF_ANOTHER_SERVICE,
)


class Complaints:
    """Remembers what was said of which Pod, by reason, so that only changes are said."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._said: dict[tuple[ObjectKey, str], str] = {}

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
        """The Pod is gone."""
        for reason in reasons:
            self._said.pop((pod, reason), None)
