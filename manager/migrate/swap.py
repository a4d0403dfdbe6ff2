"""The workload with the peer's container, without it, and with ours in its place."""

from api.codec import JSONObject, JSONValue
from manager.migrate.installation import Installation, Place
from manager.migrate.reading import at, mapping, mappings

_NOWHERE = "spire-registrar.spiffe.io/stopped"
"""A label that no Node has: a DaemonSet that selects by it has no Pods."""


def ours(installation: Installation, image: str) -> JSONObject:
    """The container with our image; what started the peer are our arguments. Raises Unclear."""
    container = {**installation.container, "image": image}
    if container.pop("command", None):
        # The image starts our program; the peer's own path does not exist in it.
        container["args"] = [*installation.arguments]
    return container


def with_container(workload: JSONObject, place: Place, container: JSONObject | None) -> JSONObject:
    """With that container in the place of the one of its name; without it for None."""
    spec = mapping(at(workload, "spec", "template", "spec"))
    there = mappings(spec.get(place.field))
    changed: list[JSONValue] = []
    is_there = False
    for each in there:
        if each.get("name") != place.container:
            changed.append(each)
        elif container is not None:
            changed.append(container)
            is_there = True
    if container is not None and not is_there:
        changed.append(container)
    return _with(workload, ("spec", "template", "spec", place.field), changed)


def stopped(workload: JSONObject, place: Place) -> JSONObject:
    """So that it has no Pods."""
    if place.kind == "DaemonSet":
        selector = mapping(at(workload, "spec", "template", "spec", "nodeSelector"))
        wanted: JSONObject = {**selector, _NOWHERE: "true"}
        return _with(workload, ("spec", "template", "spec", "nodeSelector"), wanted)
    return _with(workload, ("spec", "replicas"), 0)


def started(workload: JSONObject, place: Place, replicas: int) -> JSONObject:
    """So that it has its Pods again."""
    if place.kind == "DaemonSet":
        selector = mapping(at(workload, "spec", "template", "spec", "nodeSelector"))
        left = {name: value for name, value in selector.items() if name != _NOWHERE}
        return _with(workload, ("spec", "template", "spec", "nodeSelector"), left)
    return _with(workload, ("spec", "replicas"), replicas)


def is_stopped(workload: JSONObject, place: Place) -> bool:
    """Whether it is to have no Pods."""
    return stopped(workload, place) == workload


def _with(document: JSONObject, path: tuple[str, ...], value: JSONValue) -> JSONObject:
    """A copy with another value at a path."""
    first, *rest = path
    if not rest:
        return {**document, first: value}
    return {**document, first: _with(mapping(document.get(first)), tuple(rest), value)}
