"""The part of JSONPath that printer columns use: fields, indexes, wildcards, simple filters."""

import re

from devcluster.kubeapi.documents import JSONValue, at, decode

_STEP = re.compile(
    r"""\.?\[\?\(@\.([\w.]+)\s*==\s*("[^"]*"|'[^']*'|[\w.]+)\)\]
      | \.?\[['"]([^'"]+)['"]\]
      | \.?\[(-?\d+|\*)\]
      | \.((?:[^.\[\\]|\\.)+)""",
    re.VERBOSE,
)


def find(document: JSONValue, path: str) -> list[JSONValue]:
    """Everything that the path leads to, nothing where it leads nowhere."""
    values: list[JSONValue] = [document]
    place = 0
    path = path.strip("{}").removeprefix("$")
    if path and path[0] not in ".[":
        path = f".{path}"
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            return []
        place = step.end()
        filtered, wanted, quoted, index, name = step.groups()
        if filtered:
            values = [item for value in values for item in _filter(value, filtered, wanted)]
        elif index:
            values = [item for value in values for item in _index(value, index)]
        else:
            key = quoted or re.sub(r"\\(.)", r"\1", name)
            values = [value[key] for value in values if isinstance(value, dict) and key in value]
    return values


def _filter(value: JSONValue, field: str, wanted: str) -> list[JSONValue]:
    if not isinstance(value, list):
        return []
    literal: JSONValue = wanted[1:-1] if wanted[0] in "\"'" else _literal(wanted)
    return [item for item in value if at(item, *field.split(".")) == literal]


def _literal(wanted: str) -> JSONValue:
    if wanted in {"true", "false", "null"} or wanted.lstrip("-").replace(".", "", 1).isdigit():
        return decode(wanted)
    return wanted


def _index(value: JSONValue, index: str) -> list[JSONValue]:
    if index == "*":
        if isinstance(value, dict):
            return list(value.values())
        return list(value) if isinstance(value, list) else []
    if not isinstance(value, list):
        return []
    place = int(index)
    return [value[place]] if -len(value) <= place < len(value) else []
