"""The slices of Kubernetes' own kinds that we read, and the few that we write."""

from msgspec import field

from .meta import KubeObject, ObjectMeta, Wire


class PodSpec(Wire, frozen=True, kw_only=True):
    """What of a Pod's specification decides its identity."""

    service_account_name: str = ""
    node_name: str = ""
    hostname: str = ""


class PodStatus(Wire, frozen=True, kw_only=True):
    """The Pod's phase (Succeeded and Failed Pods run nothing any more) and its first address."""

    phase: str = ""
    pod_ip: str = field(name="podIP", default="")


class Pod(KubeObject, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Namespace(KubeObject, frozen=True, kw_only=True):
    """A Namespace; only its metadata matters here."""


class Node(KubeObject, frozen=True, kw_only=True):
    """A Node; only its metadata matters here."""


class ConfigMap(KubeObject, frozen=True, kw_only=True):
    """Texts under names; here the record of what federation relationships are ours."""

    data: dict[str, str] = field(default_factory=dict)


class Secret(KubeObject, frozen=True, kw_only=True):
    """Values in base64 under names; only ever written here, never read."""

    type: str = ""
    data: dict[str, str] = field(default_factory=dict)


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


class Owned(KubeObject, frozen=True, kw_only=True):
    """A ReplicaSet or Job, of which only the owners matter."""


class TargetReference(Wire, frozen=True, kw_only=True):
    """The object behind an address."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class EndpointAddress(Wire, frozen=True, kw_only=True):
    """One address of an Endpoints object."""

    ip: str = ""
    hostname: str = ""
    target_ref: TargetReference | None = None


class EndpointSubset(Wire, frozen=True, kw_only=True):
    """Addresses with the same ports."""

    addresses: tuple[EndpointAddress, ...] | None = None
    not_ready_addresses: tuple[EndpointAddress, ...] | None = None


class Endpoints(KubeObject, frozen=True, kw_only=True):
    """The addresses behind a service; deprecated in favour of EndpointSlices."""

    subsets: tuple[EndpointSubset, ...] | None = None


class EndpointConditions(Wire, frozen=True, kw_only=True):
    """Whether an endpoint takes requests; absent means yes."""

    ready: bool | None = None


class Endpoint(Wire, frozen=True, kw_only=True):
    """One endpoint of an EndpointSlice."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions = EndpointConditions()
    hostname: str = ""
    target_ref: TargetReference | None = None


class EndpointSlice(KubeObject, frozen=True, kw_only=True):
    """Some of the endpoints of a service, which a label names."""

    endpoints: tuple[Endpoint, ...] | None = None


class ServiceReference(Wire, frozen=True, kw_only=True):
    """The Service that a webhook is called by."""

    namespace: str = ""
    name: str = ""
    path: str = ""
    port: int | None = None


class WebhookClientConfig(Wire, frozen=True, kw_only=True):
    """How the API server reaches a webhook; ``ca_bundle`` is PEM in base64."""

    ca_bundle: str = ""
    service: ServiceReference | None = None
    url: str = ""


class ValidatingWebhook(Wire, frozen=True, kw_only=True):
    """One webhook of a configuration."""

    name: str = ""
    client_config: WebhookClientConfig = WebhookClientConfig()


class ValidatingWebhookConfiguration(KubeObject, frozen=True, kw_only=True):
    """Webhooks that the API server asks before it stores an object."""

    webhooks: tuple[ValidatingWebhook, ...] | None = None
