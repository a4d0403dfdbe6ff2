"""The slices of Kubernetes' own kinds that we read, and the two that we write."""

from .meta import KubeObject, ObjectMeta, Wire


class PodSpec(Wire, frozen=True, kw_only=True):
    """What of a Pod's specification decides its identity."""

    service_account_name: str = ""
    node_name: str = ""


class PodStatus(Wire, frozen=True, kw_only=True):
    """The Pod's phase: Succeeded and Failed Pods run nothing any more."""

    phase: str = ""


class Pod(KubeObject, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Namespace(KubeObject, frozen=True, kw_only=True):
    """A Namespace; only its metadata matters here."""


class LeaseSpec(Wire, frozen=True, kw_only=True):
    """Who holds a Lease and until when; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(KubeObject, frozen=True, kw_only=True):
    """A lock that must be renewed (group ``coordination.k8s.io``)."""

    spec: LeaseSpec = LeaseSpec()


class ObjectReference(Wire, frozen=True, kw_only=True):
    """Points at any object, as Events do."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class EventSource(Wire, frozen=True, kw_only=True):
    """The component that reports an Event."""

    component: str = ""
    host: str = ""


class Event(KubeObject, frozen=True, kw_only=True):
    """A core/v1 Event: what ``kubectl describe`` shows below an object."""

    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    # No defaults of our own here: what is left out on the wire stays empty.
    type: str = ""
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int = 0
