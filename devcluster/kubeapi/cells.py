"""Cells of tables: how to get what `kubectl get` shows out of a document."""

import datetime as dt
from collections.abc import Callable
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


def parse_time(value: str) -> dt.datetime | None:
    """The time that a document spells, None if it is none."""
    try:
        return dt.datetime.fromisoformat(value)
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
    if days < 8 * 365 and days % 365:
        return f"{days // 365}y{days % 365}d"
    return f"{days // 365}y"


def since(value: JSONValue) -> str:
    """How long ago a time was."""
    then = parse_time(value) if isinstance(value, str) and value else None
    if then is None:
        return UNKNOWN
    return duration((dt.datetime.now(dt.UTC) - then).total_seconds())


def name_of(document: JSONObject) -> JSONValue:
    """The name."""
    return text(document, "metadata", "name")


def age_of(document: JSONObject) -> JSONValue:
    """How long ago the object was made."""
    return since(at(document, "metadata", "creationTimestamp"))


NAME = Shown("Name", name_of, format="name")
AGE = Shown("Age", age_of)


def words(*path: str, default: str = "") -> Cell:
    """The string at a path."""
    return lambda document: text(document, *path) or default


def number(*path: str) -> Cell:
    """The number at a path, 0 where none is."""

    def cell(document: JSONObject) -> JSONValue:
        value = at(document, *path)
        return value if isinstance(value, int) else 0

    return cell


def count(*path: str) -> Cell:
    """How many items or fields stand at a path."""
    return lambda document: len(seq(at(document, *path))) or len(child(document, *path))


def joined(values: list[str], empty: str = NONE) -> str:
    """The words with commas between them."""
    return ",".join(values) or empty


def pairs(*path: str) -> Cell:
    """The map at a path as key=value pairs."""

    def cell(document: JSONObject) -> JSONValue:
        labels = child(document, *path)
        return joined([f"{key}={value}" for key, value in sorted(labels.items())])

    return cell


def containers(key: str) -> Cell:
    """A field of every container of the object's template."""

    def cell(document: JSONObject) -> JSONValue:
        listed = objects(document, "spec", "template", "spec", "containers")
        return ",".join(text(container, key) for container in listed)

    return cell


def pod_status(document: JSONObject) -> JSONValue:
    """The word that says how a Pod is doing."""
    status = text(document, "status", "reason") or text(document, "status", "phase")
    if text(document, "metadata", "deletionTimestamp"):
        return "Terminating"
    return status


def pod_ready(document: JSONObject) -> JSONValue:
    """Ready containers of all containers."""
    ready = sum(
        entry.get("ready") is True for entry in objects(document, "status", "containerStatuses")
    )
    return f"{ready}/{len(objects(document, 'spec', 'containers'))}"


def pod_restarts(document: JSONObject) -> JSONValue:
    """The restarts of all containers."""
    counts = [
        entry.get("restartCount") for entry in objects(document, "status", "containerStatuses")
    ]
    return str(sum(count for count in counts if isinstance(count, int)))


def readiness_gates(document: JSONObject) -> JSONValue:
    """Passed readiness gates of all; none passes here."""
    gates = seq(at(document, "spec", "readinessGates"))
    return f"0/{len(gates)}" if gates else NONE


def node_status(document: JSONObject) -> JSONValue:
    """The word that says how a Node is doing."""
    words = [
        "Ready" if entry.get("status") == "True" else "NotReady"
        for entry in objects(document, "status", "conditions")
        if entry.get("type") == "Ready"
    ] or ["Unknown"]
    if at(document, "spec", "unschedulable") is True:
        words.append("SchedulingDisabled")
    return ",".join(words)


def node_roles(document: JSONObject) -> JSONValue:
    """The roles in the labels of a Node."""
    prefix = "node-role.kubernetes.io/"
    labels = child(document, "metadata", "labels")
    return joined(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))


def address(kind: str) -> Cell:
    """A Node's address of one kind."""

    def cell(document: JSONObject) -> JSONValue:
        addresses = objects(document, "status", "addresses")
        return next((text(a, "address") for a in addresses if a.get("type") == kind), NONE)

    return cell


def service_ports(document: JSONObject) -> JSONValue:
    """The ports of a Service."""
    listed = objects(document, "spec", "ports")
    return joined([f"{port.get('port')}/{text(port, 'protocol') or 'TCP'}" for port in listed])


def endpoint_addresses(document: JSONObject) -> JSONValue:
    """The first addresses of Endpoints."""
    found: list[str] = []
    for subset in objects(document, "subsets"):
        ports = [str(port.get("port")) for port in objects(subset, "ports")]
        for address in objects(subset, "addresses"):
            found += [f"{text(address, 'ip')}:{port}" for port in ports] or [text(address, "ip")]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return joined(found[:3]) + more


def slice_ports(document: JSONObject) -> JSONValue:
    """The ports of an EndpointSlice."""
    return joined([str(port.get("port", "*")) for port in objects(document, "ports")], "<unset>")


def slice_endpoints(document: JSONObject) -> JSONValue:
    """The first addresses of an EndpointSlice."""
    found = [a for endpoint in objects(document, "endpoints") for a in texts(endpoint, "addresses")]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return joined(found[:3], "<unset>") + more


def last_seen(document: JSONObject) -> JSONValue:
    """How long ago an Event happened last."""
    series = at(document, "series", "lastObservedTime")
    last = at(document, "lastTimestamp")
    return since(series or last or at(document, "eventTime"))


def event_object(document: JSONObject) -> JSONValue:
    """What an Event is about."""
    involved = child(document, "involvedObject")
    return f"{text(involved, 'kind').lower()}/{text(involved, 'name')}"


def event_source(document: JSONObject) -> JSONValue:
    """Who reported an Event."""
    component = text(document, "source", "component") or text(document, "reportingComponent")
    host = text(document, "source", "host")
    return ", ".join(filter(None, [component, host]))


def event_count(document: JSONObject) -> JSONValue:
    """How often an Event happened."""
    count = at(document, "series", "count") or at(document, "count")
    return count if isinstance(count, int) and count else 1


def ready_of(total: str, default: int) -> Cell:
    """Ready replicas of the wanted ones."""

    def cell(document: JSONObject) -> JSONValue:
        wanted = at(document, "spec", total)
        ready = at(document, "status", "readyReplicas")
        return (
            f"{ready if isinstance(ready, int) else 0}/{wanted if wanted is not None else default}"
        )

    return cell


def role_of(document: JSONObject) -> JSONValue:
    """The role that a binding gives."""
    return f"{text(document, 'roleRef', 'kind')}/{text(document, 'roleRef', 'name')}"


def subjects(kind: str) -> Cell:
    """The subjects of a binding of one kind."""

    def cell(document: JSONObject) -> JSONValue:
        found = [s for s in objects(document, "subjects") if s.get("kind") == kind]
        return ", ".join(
            f"{text(s, 'namespace')}/{text(s, 'name')}" if text(s, "namespace") else text(s, "name")
            for s in found
        )

    return cell


def or_not_set(*path: str) -> Cell:
    """The value at a path, N/A where none is."""

    def cell(document: JSONObject) -> JSONValue:
        value = at(document, *path)
        return "N/A" if value is None else str(value)

    return cell


def job_status(document: JSONObject) -> JSONValue:
    """The word that says how a Job is doing."""
    for entry in objects(document, "status", "conditions"):
        if entry.get("status") == "True":
            return text(entry, "type")
    return "Running"


def audiences(document: JSONObject) -> JSONValue:
    """The audiences of the tokens that a CSI driver asks for."""
    listed = objects(document, "spec", "tokenRequests")
    return joined([text(request, "audience") for request in listed], "<unset>")


def completions(document: JSONObject) -> JSONValue:
    """Completions of the wanted ones."""
    done = at(document, "status", "succeeded")
    wanted = at(document, "spec", "completions")
    return f"{done if isinstance(done, int) else 0}/{wanted if isinstance(wanted, int) else 1}"
