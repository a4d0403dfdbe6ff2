"""Label selectors, with the meaning that the Kubernetes API gives them.

Absent and empty selectors both select everything, as the controller manager
treats them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, field

from .meta import Wire

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_MOST_PREFIX = 253


class LabelSelectorRequirement(Wire, frozen=True, kw_only=True):
    """A key, an operator, and the values that they relate."""

    key: Annotated[str, Meta(description="Label key that the requirement is about.")]
    operator: Annotated[str, Meta(description="In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[
        tuple[str, ...],
        Meta(description="Values for In and NotIn; none for Exists and DoesNotExist."),
    ] = ()


class LabelSelector(Wire, frozen=True, kw_only=True):
    """Requirements on the labels of an object; all must hold."""

    match_labels: Annotated[
        dict[str, str], Meta(description="Labels that must be there, each with this value.")
    ] = field(default_factory=dict)
    match_expressions: Annotated[
        tuple[LabelSelectorRequirement, ...],
        Meta(description="Further requirements; all must hold."),
    ] = ()


class InvalidSelectorError(ValueError):
    """A selector is wrong: ``path`` within it, the ``value``, and the ``remedy``."""

    def __init__(self, path: str, value: str, remedy: str) -> None:
        super().__init__(f"{path}: {value!r}: {remedy}")
        self.path = path
        self.value = value
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class _Requirement:
    """One requirement: the key is there with one of the values, or is not, or is at all.

    ``values`` None stands for any value.
    """

    key: str
    values: frozenset[str] | None
    is_negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.values is None:
            return (value is None) == self.is_negated
        # An object without the label is not in any set of values.
        return (value is not None and value in self.values) != self.is_negated


@dataclass(frozen=True, slots=True)
class Matcher:
    """A compiled selector."""

    requirements: tuple[_Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all requirements hold."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    @property
    def index_pair(self) -> tuple[str, frozenset[str]] | None:
        """A key and values of which every selected object has one; None where there is no such."""
        for requirement in self.requirements:
            if requirement.values is not None and not requirement.is_negated:
                return requirement.key, requirement.values
        return None


def compile_selector(selector: LabelSelector | None) -> Matcher:
    """Check and compile. Raises InvalidSelectorError for the first thing that is wrong."""
    if selector is None:
        return Matcher()
    found = []
    for key, value in selector.match_labels.items():
        _check_key(key, "matchLabels")
        _check_value(value, f"matchLabels[{key}]")
        found.append(_Requirement(key, frozenset({value}), is_negated=False))
    for number, requirement in enumerate(selector.match_expressions):
        found.append(_compiled(requirement, f"matchExpressions[{number}]"))
    return Matcher(tuple(found))


def _compiled(requirement: LabelSelectorRequirement, path: str) -> _Requirement:
    _check_key(requirement.key, f"{path}.key")
    operator, values = requirement.operator, requirement.values
    if operator in {"In", "NotIn"}:
        if not values:
            raise InvalidSelectorError(f"{path}.values", "[]", f"{operator} needs values: add one")
        for place, value in enumerate(values):
            _check_value(value, f"{path}.values[{place}]")
        return _Requirement(requirement.key, frozenset(values), is_negated=operator == "NotIn")
    if operator in {"Exists", "DoesNotExist"}:
        if values:
            raise InvalidSelectorError(
                f"{path}.values", ", ".join(values), f"{operator} takes no values: remove them"
            )
        return _Requirement(requirement.key, None, is_negated=operator == "DoesNotExist")
    raise InvalidSelectorError(
        f"{path}.operator", operator, "use In, NotIn, Exists or DoesNotExist"
    )


def _check_key(key: str, path: str) -> None:
    prefix, slash, name = key.rpartition("/")
    is_prefixed = not slash or (len(prefix) <= _MOST_PREFIX and _PREFIX.fullmatch(prefix))
    if not is_prefixed or not _NAME.fullmatch(name):
        raise InvalidSelectorError(
            path, key, "not a label key: write [prefix/]name, such as app.kubernetes.io/name"
        )


def _check_value(value: str, path: str) -> None:
    if not _VALUE.fullmatch(value):
        raise InvalidSelectorError(
            path, value, "not a label value: at most 63 letters, digits, '-', '_' and '.'"
        )
