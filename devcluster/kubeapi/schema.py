"""Structural schemas as a tree: one form for a CRD's schema and for the built-in kinds.

The tree is made once, when a kind is installed; pruning, defaulting, validation, patches and
field ownership all walk it beside the document.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devcluster.kubeapi.documents import JSONObject, JSONValue, obj, seq, text, texts


@dataclass(frozen=True, slots=True)
class Rule:
    """One x-kubernetes-validations entry."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = "FieldValueInvalid"
    field_path: str = ""
    optional_old_self: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a value must satisfy beyond its type."""

    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: re.Pattern[str] | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    enum: tuple[JSONValue, ...] = ()
    format: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """What may stand at one place of a document.

    `type` is empty where anything may stand. `fields` are the declared properties, `values`
    what undeclared ones hold (a map), `items` what a list holds. `list_keys` name an item of
    a list of kind "map". `has_default` tells a default of null from none. `patch_merge` and
    `patch_key` are the strategic merge patch's view of a list.
    """

    type: str = ""
    fields: Mapping[str, "Schema"] = field(default_factory=dict)
    values: "Schema | None" = None
    items: "Schema | None" = None
    required: tuple[str, ...] = ()
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    atomic_map: bool = False
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    nullable: bool = False
    has_default: bool = False
    default: JSONValue = None
    patch_merge: bool = False
    patch_key: str = ""
    limits: Limits = field(default_factory=Limits)
    one_of: tuple["Branch", ...] = ()
    any_of: tuple["Branch", ...] = ()
    all_of: tuple["Branch", ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """One schema under allOf, anyOf, oneOf or not: values only, never shape."""

    schema: Schema
    negated: bool = False


ANYTHING = Schema(preserve=True)

_Resolver = Callable[[str], Schema]


def _number(source: JSONObject, key: str) -> float | None:
    value = source.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(source: JSONObject, key: str) -> int | None:
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _limits(source: JSONObject) -> Limits:
    pattern = text(source, "pattern")
    return Limits(
        minimum=_number(source, "minimum"),
        maximum=_number(source, "maximum"),
        exclusive_minimum=source.get("exclusiveMinimum") is True,
        exclusive_maximum=source.get("exclusiveMaximum") is True,
        multiple_of=_number(source, "multipleOf"),
        min_length=_count(source, "minLength"),
        max_length=_count(source, "maxLength"),
        pattern=re.compile(pattern) if pattern else None,
        min_items=_count(source, "minItems"),
        max_items=_count(source, "maxItems"),
        min_properties=_count(source, "minProperties"),
        max_properties=_count(source, "maxProperties"),
        enum=tuple(seq(source.get("enum"))),
        format=text(source, "format"),
    )


def _rules(source: JSONObject) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            rule=text(entry, "rule"),
            message=text(entry, "message"),
            message_expression=text(entry, "messageExpression"),
            reason=text(entry, "reason") or "FieldValueInvalid",
            field_path=text(entry, "fieldPath"),
            optional_old_self=obj(entry).get("optionalOldSelf") is True,
        )
        for entry in seq(source.get("x-kubernetes-validations"))
    )


def _no_references(name: str) -> Schema:
    raise KeyError(name)


def _branches(source: JSONObject, keyword: str, resolve: _Resolver) -> tuple[Branch, ...]:
    listed = [Branch(parse(obj(part), resolve)) for part in seq(source.get(keyword))]
    if keyword == "allOf" and isinstance(source.get("not"), dict):
        listed.append(Branch(parse(obj(source["not"]), resolve), negated=True))
    return tuple(listed)


def parse(source: JSONObject, resolve: _Resolver = _no_references) -> Schema:
    """The tree of an OpenAPI v3 schema; `resolve` gives the schema of a $ref."""
    reference = text(source, "$ref")
    if reference:
        return resolve(reference.rpartition("/")[2])
    parts = seq(source.get("allOf"))
    if len(parts) == 1 and text(parts[0], "$ref"):
        return resolve(text(parts[0], "$ref").rpartition("/")[2])
    extra = source.get("additionalProperties")
    values: Schema | None = None
    if isinstance(extra, dict):
        values = parse(extra, resolve)
    elif extra is True:
        values = ANYTHING
    declared = obj(source.get("properties"))
    items = source.get("items")
    int_or_string = (
        source.get("x-kubernetes-int-or-string") is True or source.get("format") == "int-or-string"
    )
    return Schema(
        type=text(source, "type"),
        fields={name: parse(obj(body), resolve) for name, body in declared.items()},
        values=values,
        items=parse(items, resolve) if isinstance(items, dict) else None,
        required=tuple(texts(source, "required")),
        list_type=text(source, "x-kubernetes-list-type") or "atomic",
        list_keys=tuple(texts(source, "x-kubernetes-list-map-keys")),
        atomic_map=source.get("x-kubernetes-map-type") == "atomic",
        preserve=source.get("x-kubernetes-preserve-unknown-fields") is True,
        embedded=source.get("x-kubernetes-embedded-resource") is True,
        int_or_string=int_or_string,
        nullable=source.get("nullable") is True,
        has_default="default" in source,
        default=source.get("default"),
        patch_merge="merge" in text(source, "x-kubernetes-patch-strategy").split(","),
        patch_key=text(source, "x-kubernetes-patch-merge-key"),
        limits=_limits(source),
        one_of=() if int_or_string else _branches(source, "oneOf", resolve),
        any_of=() if int_or_string else _branches(source, "anyOf", resolve),
        all_of=_branches(source, "allOf", resolve),
        rules=_rules(source),
    )
