"""The workload with the peer's container, without it, and with ours in its place."""

from itertools import takewhile

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


def with_container(
    workload: JSONObject, installation: Installation, container: JSONObject | None
) -> JSONObject:
    """With that container in the place that the peer's had; without it for None."""
    place = installation.place
    there = _listed(workload, place)
    changed: list[JSONValue] = [each for each in there if each.get("name") != place.container]
    if container is not None:
        names = [each.get("name") for each in there]
        is_there = place.container in names
        index = names.index(place.container) if is_there else _index(names, installation)
        changed.insert(index, container)
    return _with(workload, ("spec", "template", "spec", place.field), changed)


def _index(names: list[JSONValue], installation: Installation) -> int:
    """Behind those that stood before it: others may have come or gone since it was taken out."""
    place = installation.place
    was = [each.get("name") for each in _listed(installation.workload, place)]
    before = [*takewhile(lambda name: name != place.container, was)]
    return max((index + 1 for index, name in enumerate(names) if name in before), default=0)


def _listed(workload: JSONObject, place: Place) -> list[JSONObject]:
    return mappings(at(workload, "spec", "template", "spec", place.field))


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
