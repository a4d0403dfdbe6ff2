"""Label selectors: what they look like in an object, and which labels they match.

The semantics are those of Kubernetes. A selector that is left out selects
everything, as spire-controller-manager has it, and so does an empty one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta, field

from .errors import InvalidField
from .meta import Wire

_NAME_SYNTAX = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(_NAME_SYNTAX)
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_PREFIX = re.compile(rf"{_DNS_LABEL}(\.{_DNS_LABEL})*")
_MAX_PREFIX = 253
_NAME_REMEDY = (
    "use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
)
_KEY_PATTERN = f"^([a-z0-9.-]+/)?{_NAME_SYNTAX}$"
_Value: TypeAlias = Annotated[str, Meta(extra_json_schema={"pattern": f"^({_NAME_SYNTAX})?$"})]


class LabelSelectorRequirement(Wire, frozen=True, kw_only=True):
    """What one label must be like."""

    key: Annotated[
        str,
        Meta(
            description="Key of the label.",
            extra_json_schema={"maxLength": 317, "pattern": _KEY_PATTERN},
        ),
    ] = ""
    operator: Annotated[
        str,
        Meta(
            description="In, NotIn, Exists or DoesNotExist.",
            extra_json_schema={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
        ),
    ] = ""
    values: Annotated[
        tuple[_Value, ...],
        Meta(
            description="Values for In and NotIn, at least one; none for the others.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()


_IN_NEEDS_VALUES = {
    "rule": "self.operator in ['In', 'NotIn'] ? "
    "has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    "message": "In and NotIn need at least one value, Exists and DoesNotExist must have none",
}


class LabelSelector(Wire, frozen=True, kw_only=True):
    """Which labels an object must carry; everything given must hold (AND)."""

    match_labels: Annotated[
        dict[str, _Value], Meta(description="Labels that must be there with exactly this value.")
    ] = field(default_factory=dict)
    match_expressions: Annotated[
        tuple[
            Annotated[
                LabelSelectorRequirement,
                Meta(
                    extra_json_schema={
                        "required": ["key", "operator"],
                        "x-kubernetes-validations": [_IN_NEEDS_VALUES],
                    }
                ),
            ],
            ...,
        ],
        Meta(
            description="What further labels must be like.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()


class Requirement(NamedTuple):
    """What one label must be like, checked: the operators are those of Kubernetes."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """What the label must be, in words that follow "it must be"."""
        values = " or ".join(repr(value) for value in sorted(self.values))
        match self.operator:
            case "In":
                return values
            case "NotIn":
                return f"anything but {values}"
            case "Exists":
                return "there, with any value"
        return "absent"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A selector, checked and taken apart; without requirements it matches everything.

    ``allowed`` and ``forbidden`` are keys with values; what must have an
    allowed value must be there, what must not have a forbidden one need not.
    """

    allowed: tuple[tuple[str, frozenset[str]], ...] = ()
    forbidden: tuple[tuple[str, frozenset[str]], ...] = ()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all requirements hold for the labels."""
        return self.unmet(labels) is None

    def unmet(self, labels: Mapping[str, str]) -> Requirement | None:
        """The first requirement that does not hold for the labels; None where all do."""
        for key, values in self.allowed:
            if labels.get(key) not in values:
                return Requirement(key, "In", values)
        for key, values in self.forbidden:
            if labels.get(key) in values:
                return Requirement(key, "NotIn", values)
        for key in self.present:
            if key not in labels:
                return Requirement(key, "Exists")
        for key in self.absent:
            if key in labels:
                return Requirement(key, "DoesNotExist")
        return None

    @property
    def index_pair(self) -> tuple[str, frozenset[str]] | None:
        """A key and its values one of which every match has, the fewest there are.

        None when no requirement names values that must be there.
        """
        return min(self.allowed, key=lambda pair: len(pair[1]), default=None)


EVERYTHING = Matcher()
"""Matches any labels."""


def compile_selector(selector: LabelSelector | None, *, path: str) -> Matcher:
    """Check a selector and make it ready to match; None selects everything.

    Raises InvalidField for what the API server would not take as a selector.
    """
    if selector is None:
        return EVERYTHING
    allowed: list[tuple[str, frozenset[str]]] = []
    forbidden: list[tuple[str, frozenset[str]]] = []
    present: list[str] = []
    absent: list[str] = []
    for key, value in selector.match_labels.items():
        _check_key(key, f"{path}.matchLabels[{key}]")
        _check_value(value, f"{path}.matchLabels[{key}]")
        allowed.append((key, frozenset({value})))
    for number, requirement in enumerate(selector.match_expressions):
        _check_requirement(requirement, f"{path}.matchExpressions[{number}]")
        match requirement.operator:
            case "In":
                allowed.append((requirement.key, frozenset(requirement.values)))
            case "NotIn":
                forbidden.append((requirement.key, frozenset(requirement.values)))
            case "Exists":
                present.append(requirement.key)
            case _:
                absent.append(requirement.key)
    return Matcher(tuple(allowed), tuple(forbidden), tuple(present), tuple(absent))


def _check_requirement(requirement: LabelSelectorRequirement, path: str) -> None:
    operator, values = requirement.operator, requirement.values
    _check_key(requirement.key, f"{path}.key")
    if operator in {"In", "NotIn"}:
        if not values:
            raise InvalidField(f"{path}.values", "[]", f"{operator} needs at least one value")
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            raise InvalidField(
                f"{path}.values", ", ".join(values), f"{operator} takes no values: remove them"
            )
    else:
        raise InvalidField(f"{path}.operator", operator, "use In, NotIn, Exists or DoesNotExist")
    for number, value in enumerate(values):
        _check_value(value, f"{path}.values[{number}]")


def _check_key(key: str, path: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name):
        raise InvalidField(path, key, f"not the key of a label: {_NAME_REMEDY}")
    if slash and (len(prefix) > _MAX_PREFIX or not _PREFIX.fullmatch(prefix)):
        raise InvalidField(
            path, key, "not the key of a label: what stands before '/' must be a DNS name"
        )


def _check_value(value: str, path: str) -> None:
    if value and not _NAME.fullmatch(value):
        raise InvalidField(path, value, f"not the value of a label: {_NAME_REMEDY}")
