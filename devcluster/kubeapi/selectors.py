"""Label and field selectors as query parameters write them."""

import re
from collections.abc import Callable
from typing import TypeAlias

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, child
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.status import bad_request

Matcher: TypeAlias = Callable[[JSONObject], bool]

_TOKEN = re.compile(r"\s*(\(|\)|,|!=|==|=|!|>|<|[^\s(),!=<>]+)")
_OPERATORS = "in, notin, =, ==, !=, gt, lt"


def _tokens(source: str) -> list[str]:
    tokens: list[str] = []
    place = 0
    while source[place:].strip():
        found = _TOKEN.match(source, place)
        if found is None:
            raise bad_request(f"unable to parse requirement: {source}")
        tokens.append(found.group(1))
        place = found.end()
    return tokens


class _Parser:
    """Reads one label selector."""

    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._place = 0

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def requirements(self) -> list[Callable[[JSONObject], bool]]:
        """Every requirement, each a question to the labels."""
        found = []
        while self._peek():
            found.append(self._requirement())
            separator = self._next()
            if separator not in {"", ","}:
                raise bad_request(
                    f"unable to parse requirement: found '{separator}', expected: ','"
                    " or 'end of string'"
                )
        return found

    def _requirement(self) -> Callable[[JSONObject], bool]:
        if self._peek() == "!":
            self._next()
            absent = self._word()
            return lambda labels: absent not in labels
        key = self._word()
        operator = self._peek()
        if operator in {"", ","}:
            return lambda labels: key in labels
        self._next()
        if operator in {"=", "=="}:
            value = self._value()
            return lambda labels: labels.get(key) == value
        if operator == "!=":
            value = self._value()
            return lambda labels: labels.get(key) != value
        if operator in {"in", "notin"}:
            values = self._values()
            if operator == "in":
                return lambda labels: labels.get(key) in values
            return lambda labels: labels.get(key) not in values
        if operator in {">", "gt", "<", "lt"}:
            return self._comparison(key, operator)
        raise bad_request(
            f"unable to parse requirement: found '{operator}', expected: {_OPERATORS}"
        )

    def _comparison(self, key: str, operator: str) -> Callable[[JSONObject], bool]:
        limit = self._word()
        if not limit.lstrip("-").isdigit():
            raise bad_request(
                "unable to parse requirement: for 'Gt', 'Lt' operators, the value"
                " must be an integer"
            )

        def compare(labels: JSONObject) -> bool:
            value = labels.get(key)
            if not isinstance(value, str) or not value.lstrip("-").isdigit():
                return False
            return int(value) > int(limit) if operator in {">", "gt"} else int(value) < int(limit)

        return compare

    def _word(self) -> str:
        token = self._next()
        if token in {"", "(", ")", ",", "=", "==", "!=", "!", ">", "<"}:
            raise bad_request(f"unable to parse requirement: found '{token}', expected: identifier")
        return token

    def _value(self) -> str:
        return "" if self._peek() in {"", ","} else self._word()

    def _values(self) -> set[str]:
        if self._next() != "(":
            raise bad_request("unable to parse requirement: found '', expected: '('")
        values = {self._member()}
        while True:
            separator = self._next()
            if separator == ")":
                return values
            if separator != ",":
                raise bad_request(
                    f"unable to parse requirement: found '{separator}', expected: ',' or ')'"
                )
            values.add(self._member())

    def _member(self) -> str:
        """One value of a set, which may be empty."""
        return "" if self._peek() in {",", ")"} else self._word()


def label_matcher(source: str) -> Matcher:
    """The question that a label selector puts to a document.

    Raises:
        APIError: The selector cannot be read.
    """
    requirements = _Parser(source).requirements()

    def matches(document: JSONObject) -> bool:
        labels = child(document, "metadata", "labels")
        return all(requirement(labels) for requirement in requirements)

    return matches


def field_value(document: JSONObject, label: str) -> str:
    """The value of a field label, empty where the field is absent."""
    if label == "source":
        label = "source.component"
    value: JSONValue = at(document, *label.split("."))
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "false" if label in {"spec.unschedulable", "spec.hostNetwork"} else ""
    return str(value)


def field_matcher(source: str, resource: Resource) -> Matcher:
    """The question that a field selector puts to a document of the resource.

    Raises:
        APIError: The selector cannot be read, or names a field that this kind does not offer.
    """
    requirements: list[tuple[str, bool, str]] = []
    for term in filter(None, source.split(",")):
        found = re.fullmatch(r"\s*([^!=]+?)(!=|==|=)(.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        label, operator, value = found.groups()
        known = ["metadata.name", "metadata.namespace", *resource.field_labels]
        if label not in known:
            if resource.custom or not resource.field_labels:
                listed = ", ".join(f'"{name}"' for name in known)
                raise bad_request(f'"{label}" is not a known field selector: only {listed}')
            raise bad_request(f"field label not supported: {label}")
        requirements.append((label, operator != "!=", value))

    def matches(document: JSONObject) -> bool:
        return all(
            (field_value(document, label) == value) is wanted
            for label, wanted, value in requirements
        )

    return matches


def matcher(resource: Resource, labels: str, fields: str) -> Matcher | None:
    """Both selectors as one question; None where everything matches."""
    parts: list[Matcher] = []
    if labels:
        parts.append(label_matcher(labels))
    if fields:
        parts.append(field_matcher(fields, resource))
    if len(parts) == 2:
        first, second = parts
        return lambda document: first(document) and second(document)
    return parts[0] if parts else None
