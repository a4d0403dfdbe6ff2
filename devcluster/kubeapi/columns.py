"""The printer columns of the built-in kinds: what `kubectl get` shows of each."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from devcluster.kubeapi.documents import (
    JSONObject,
    JSONValue,
    at,
    child,
    objects,
    seq,
    text,
    texts,
)

Cell: TypeAlias = Callable[[JSONObject], JSONValue]
NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class Shown:
    """One column: its heading, the type of its cells, and how to get one. Wide ones hide."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    wide: bool = False


def parse_time(value: str) -> datetime.datetime | None:
    """The time that a document spells, None if it is none."""
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """A span of time in the one or two units that matter, as kubectl prints ages."""
    total = max(int(seconds), 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if days < 2:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y"


def since(value: JSONValue) -> str:
    """How long ago a time was."""
    then = parse_time(value) if isinstance(value, str) and value else None
    if then is None:
        return UNKNOWN
    return duration((datetime.datetime.now(datetime.UTC) - then).total_seconds())


def _name(document: JSONObject) -> JSONValue:
    return text(document, "metadata", "name")


def _age(document: JSONObject) -> JSONValue:
    return since(at(document, "metadata", "creationTimestamp"))


NAME = Shown("Name", _name, format="name")
AGE = Shown("Age", _age)


def _text(*path: str, default: str = "") -> Cell:
    return lambda document: text(document, *path) or default


def _number(*path: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        value = at(document, *path)
        return value if isinstance(value, int) else 0

    return cell


def _count(*path: str) -> Cell:
    return lambda document: len(seq(at(document, *path))) or len(child(document, *path))


def _joined(values: list[str], empty: str = NONE) -> str:
    return ",".join(values) or empty


def _labels(*path: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        labels = child(document, *path)
        return _joined([f"{key}={value}" for key, value in sorted(labels.items())])

    return cell


def _containers(key: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        listed = objects(document, "spec", "template", "spec", "containers")
        return ",".join(text(container, key) for container in listed)

    return cell


def _pod_status(document: JSONObject) -> JSONValue:
    status = text(document, "status", "reason") or text(document, "status", "phase")
    if text(document, "metadata", "deletionTimestamp"):
        return "Terminating"
    return status


def _pod_ready(document: JSONObject) -> JSONValue:
    ready = sum(
        entry.get("ready") is True for entry in objects(document, "status", "containerStatuses")
    )
    return f"{ready}/{len(objects(document, 'spec', 'containers'))}"


def _pod_restarts(document: JSONObject) -> JSONValue:
    counts = [
        entry.get("restartCount") for entry in objects(document, "status", "containerStatuses")
    ]
    return str(sum(count for count in counts if isinstance(count, int)))


def _gates(document: JSONObject) -> JSONValue:
    gates = seq(at(document, "spec", "readinessGates"))
    return f"0/{len(gates)}" if gates else NONE


def _node_status(document: JSONObject) -> JSONValue:
    words = [
        "Ready" if entry.get("status") == "True" else "NotReady"
        for entry in objects(document, "status", "conditions")
        if entry.get("type") == "Ready"
    ] or ["Unknown"]
    if at(document, "spec", "unschedulable") is True:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(document: JSONObject) -> JSONValue:
    prefix = "node-role.kubernetes.io/"
    labels = child(document, "metadata", "labels")
    return _joined(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))


def _address(kind: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        addresses = objects(document, "status", "addresses")
        return next((text(a, "address") for a in addresses if a.get("type") == kind), NONE)

    return cell


def _ports(document: JSONObject) -> JSONValue:
    listed = objects(document, "spec", "ports")
    return _joined([f"{port.get('port')}/{text(port, 'protocol') or 'TCP'}" for port in listed])


def _endpoints(document: JSONObject) -> JSONValue:
    found: list[str] = []
    for subset in objects(document, "subsets"):
        ports = [str(port.get("port")) for port in objects(subset, "ports")]
        for address in objects(subset, "addresses"):
            found += [f"{text(address, 'ip')}:{port}" for port in ports] or [text(address, "ip")]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return _joined(found[:3]) + more


def _slice_ports(document: JSONObject) -> JSONValue:
    return _joined([str(port.get("port", "*")) for port in objects(document, "ports")], "<unset>")


def _slice_endpoints(document: JSONObject) -> JSONValue:
    found = [a for endpoint in objects(document, "endpoints") for a in texts(endpoint, "addresses")]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return _joined(found[:3], "<unset>") + more


def _last_seen(document: JSONObject) -> JSONValue:
    series = at(document, "series", "lastObservedTime")
    last = at(document, "lastTimestamp")
    return since(series or last or at(document, "eventTime"))


def _event_object(document: JSONObject) -> JSONValue:
    involved = child(document, "involvedObject")
    return f"{text(involved, 'kind').lower()}/{text(involved, 'name')}"


def _event_source(document: JSONObject) -> JSONValue:
    component = text(document, "source", "component") or text(document, "reportingComponent")
    host = text(document, "source", "host")
    return ", ".join(filter(None, [component, host]))


def _event_count(document: JSONObject) -> JSONValue:
    count = at(document, "series", "count") or at(document, "count")
    return count if isinstance(count, int) and count else 1


def _ready_of(total: str, default: int) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        wanted = at(document, "spec", total)
        ready = at(document, "status", "readyReplicas")
        return (
            f"{ready if isinstance(ready, int) else 0}/{wanted if wanted is not None else default}"
        )

    return cell


def _role(document: JSONObject) -> JSONValue:
    return f"{text(document, 'roleRef', 'kind')}/{text(document, 'roleRef', 'name')}"


def _subjects(kind: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        found = [s for s in objects(document, "subjects") if s.get("kind") == kind]
        return ", ".join(
            f"{text(s, 'namespace')}/{text(s, 'name')}" if text(s, "namespace") else text(s, "name")
            for s in found
        )

    return cell


def _or_na(*path: str) -> Cell:
    def cell(document: JSONObject) -> JSONValue:
        value = at(document, *path)
        return "N/A" if value is None else str(value)

    return cell


def _job_status(document: JSONObject) -> JSONValue:
    for entry in objects(document, "status", "conditions"):
        if entry.get("status") == "True":
            return text(entry, "type")
    return "Running"


def _audiences(document: JSONObject) -> JSONValue:
    listed = objects(document, "spec", "tokenRequests")
    return _joined([text(request, "audience") for request in listed], "<unset>")


def _completions(document: JSONObject) -> JSONValue:
    done = at(document, "status", "succeeded")
    wanted = at(document, "spec", "completions")
    return f"{done if isinstance(done, int) else 0}/{wanted if isinstance(wanted, int) else 1}"


_TEMPLATE = (
    Shown("Containers", _containers("name"), wide=True),
    Shown("Images", _containers("image"), wide=True),
)
_SELECTOR = Shown("Selector", _labels("spec", "selector", "matchLabels"), wide=True)
_CREATED = Shown("Created At", _text("metadata", "creationTimestamp"), type="date")
_EVENT = (
    Shown("Last Seen", _last_seen),
    Shown("Type", _text("type")),
    Shown("Reason", _text("reason")),
    Shown("Object", _event_object),
    Shown("Subobject", _text("involvedObject", "fieldPath"), wide=True),
    Shown("Source", _event_source, wide=True),
    Shown("Message", _text("message")),
    Shown("First Seen", lambda d: since(at(d, "firstTimestamp") or at(d, "eventTime")), wide=True),
    Shown("Count", _event_count, wide=True),
    Shown("Name", _name, format="name", wide=True),
)
_BINDING = (
    NAME,
    Shown("Role", _role),
    AGE,
    Shown("Users", _subjects("User"), wide=True),
    Shown("Groups", _subjects("Group"), wide=True),
    Shown("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)
COLUMNS: Mapping[str, tuple[Shown, ...]] = {
    "Pod": (
        NAME,
        Shown("Ready", _pod_ready),
        Shown("Status", _pod_status),
        Shown("Restarts", _pod_restarts),
        AGE,
        Shown("IP", _text("status", "podIP", default=NONE), wide=True),
        Shown("Node", _text("spec", "nodeName", default=NONE), wide=True),
        Shown("Nominated Node", _text("status", "nominatedNodeName", default=NONE), wide=True),
        Shown("Readiness Gates", _gates, wide=True),
    ),
    "Namespace": (NAME, Shown("Status", _text("status", "phase")), AGE),
    "Node": (
        NAME,
        Shown("Status", _node_status),
        Shown("Roles", _node_roles),
        AGE,
        Shown("Version", _text("status", "nodeInfo", "kubeletVersion")),
        Shown("Internal-IP", _address("InternalIP"), wide=True),
        Shown("External-IP", _address("ExternalIP"), wide=True),
        Shown("OS-Image", _text("status", "nodeInfo", "osImage", default=UNKNOWN), wide=True),
        Shown(
            "Kernel-Version",
            _text("status", "nodeInfo", "kernelVersion", default=UNKNOWN),
            wide=True,
        ),
        Shown(
            "Container-Runtime",
            _text("status", "nodeInfo", "containerRuntimeVersion", default=UNKNOWN),
            wide=True,
        ),
    ),
    "ConfigMap": (NAME, Shown("Data", _count("data")), AGE),
    "Secret": (NAME, Shown("Type", _text("type")), Shown("Data", _count("data")), AGE),
    "Service": (
        NAME,
        Shown("Type", _text("spec", "type")),
        Shown("Cluster-IP", _text("spec", "clusterIP", default=NONE)),
        Shown("External-IP", lambda d: _joined(texts(d, "spec", "externalIPs"))),
        Shown("Port(s)", _ports),
        AGE,
        Shown("Selector", _labels("spec", "selector"), wide=True),
    ),
    "Endpoints": (NAME, Shown("Endpoints", _endpoints), AGE),
    "EndpointSlice": (
        NAME,
        Shown("AddressType", _text("addressType")),
        Shown("Ports", _slice_ports),
        Shown("Endpoints", _slice_endpoints),
        AGE,
    ),
    "Event": _EVENT,
    "Lease": (NAME, Shown("Holder", _text("spec", "holderIdentity")), AGE),
    "Deployment": (
        NAME,
        Shown("Ready", _ready_of("replicas", 1)),
        Shown("Up-to-date", _number("status", "updatedReplicas")),
        Shown("Available", _number("status", "availableReplicas")),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "ReplicaSet": (
        NAME,
        Shown("Desired", _number("spec", "replicas"), type="integer"),
        Shown("Current", _number("status", "replicas"), type="integer"),
        Shown("Ready", _number("status", "readyReplicas"), type="integer"),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "DaemonSet": (
        NAME,
        Shown("Desired", _number("status", "desiredNumberScheduled"), type="integer"),
        Shown("Current", _number("status", "currentNumberScheduled"), type="integer"),
        Shown("Ready", _number("status", "numberReady"), type="integer"),
        Shown("Up-to-date", _number("status", "updatedNumberScheduled"), type="integer"),
        Shown("Available", _number("status", "numberAvailable"), type="integer"),
        Shown("Node Selector", _labels("spec", "template", "spec", "nodeSelector")),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "StatefulSet": (NAME, Shown("Ready", _ready_of("replicas", 1)), AGE, *_TEMPLATE),
    "Job": (
        NAME,
        Shown("Status", _job_status),
        Shown("Completions", _completions),
        Shown(
            "Duration",
            lambda d: since(at(d, "status", "startTime")) if at(d, "status", "startTime") else "",
        ),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "CSIDriver": (
        NAME,
        Shown("AttachRequired", lambda d: at(d, "spec", "attachRequired"), type="boolean"),
        Shown("PodInfoOnMount", lambda d: at(d, "spec", "podInfoOnMount"), type="boolean"),
        Shown("StorageCapacity", lambda d: at(d, "spec", "storageCapacity"), type="boolean"),
        Shown("TokenRequests", _audiences),
        Shown("RequiresRepublish", lambda d: at(d, "spec", "requiresRepublish"), type="boolean"),
        Shown("Modes", lambda d: _joined(texts(d, "spec", "volumeLifecycleModes"), "Persistent")),
        AGE,
    ),
    "NetworkPolicy": (
        NAME,
        Shown("Pod-Selector", _labels("spec", "podSelector", "matchLabels")),
        AGE,
    ),
    "PodDisruptionBudget": (
        NAME,
        Shown("Min Available", _or_na("spec", "minAvailable")),
        Shown("Max Unavailable", _or_na("spec", "maxUnavailable")),
        Shown("Allowed Disruptions", _number("status", "disruptionsAllowed"), type="integer"),
        AGE,
    ),
    "PriorityClass": (
        NAME,
        Shown("Value", _number("value"), type="integer"),
        Shown("Global-Default", lambda d: d.get("globalDefault") is True, type="boolean"),
        AGE,
        Shown("PreemptionPolicy", _text("preemptionPolicy", default="PreemptLowerPriority")),
    ),
    "ClusterRole": (NAME, _CREATED),
    "Role": (NAME, _CREATED),
    "CustomResourceDefinition": (NAME, _CREATED),
    "ClusterRoleBinding": _BINDING,
    "RoleBinding": _BINDING,
    "ValidatingWebhookConfiguration": (
        NAME,
        Shown("Webhooks", _count("webhooks"), type="integer"),
        AGE,
    ),
}
