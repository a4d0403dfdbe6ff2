"""Rules in CEL (x-kubernetes-validations) of a CRD's schema.

They are evaluated where the package `common-expression-language` is installed, as it is beside
the tests and the demo; without it, every document passes. The real server's language has more
than this one: a rule with a function that is unknown here passes (`isURL`, `quantity`, `find`,
optional fields `.?`), and reserved words need no `__escape__`. A rule's cost is not limited.
"""

import logging
from types import ModuleType
from typing import Protocol

from devcluster.kubeapi.documents import JSONObject, JSONValue
from devcluster.kubeapi.schema import Rule, Schema
from devcluster.kubeapi.status import Cause
from devcluster.kubeapi.validation import is_unchanged, old_item

try:
    import cel
    import cel.stdlib
except ModuleNotFoundError:
    _cel: ModuleType | None = None
else:
    _cel = cel

_log = logging.getLogger(__name__)
_BLOCKING = frozenset(
    {"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)
_WORDS = {
    "FieldValueInvalid": "Invalid value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
}
_NOT_CHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid;"
    " correct the existing errors to complete validation",
    "<nil>",
)


class Program(Protocol):
    """A compiled rule."""

    def execute(self, context: "cel.Context") -> object:
        """The value of the expression."""


def has_rules(schema: Schema) -> bool:
    """Whether a rule stands anywhere in the schema."""
    below = [*schema.fields.values(), schema.values, schema.items]
    return bool(schema.rules) or any(part is not None and has_rules(part) for part in below)


class Rules:
    """Evaluates rules; each is compiled once."""

    def __init__(self) -> None:
        self._programs: dict[str, Program | None] = {}

    def check(
        self, after: JSONObject, before: JSONObject | None, schema: Schema, found: list[Cause]
    ) -> list[Cause]:
        """What the rules refuse in the document that so far was `found` to be wrong like this."""
        if _cel is None or not has_rules(schema):
            return []
        if any(cause.reason in _BLOCKING for cause in found):
            return [_NOT_CHECKED]
        causes: list[Cause] = []
        self._walk(after, before, schema, "", causes)
        return causes

    def _walk(
        self,
        value: JSONValue,
        old: JSONValue,
        schema: Schema,
        path: str,
        causes: list[Cause],
    ) -> None:
        settled = bool(schema.rules) and is_unchanged(value, old)
        for rule in schema.rules:
            if settled and "oldSelf" not in rule.rule:
                continue
            cause = self._evaluate(rule, value, old, path)
            if cause is not None:
                causes.append(cause)
        if isinstance(value, dict):
            olds = old if isinstance(old, dict) else {}
            for key, item in value.items():
                known = schema.fields.get(key, schema.values)
                if known is not None:
                    below = f"{path}.{key}" if path else key
                    self._walk(item, olds.get(key), known, below, causes)
        elif isinstance(value, list) and schema.items is not None:
            for index, item in enumerate(value):
                self._walk(
                    item, old_item(item, old, schema), schema.items, f"{path}[{index}]", causes
                )

    def _program(self, source: str) -> Program | None:
        if source not in self._programs:
            program: Program | None = None
            if _cel is not None:
                try:
                    program = cel.compile(source)
                except ValueError as error:
                    _log.warning("rule not evaluated", extra={"rule": source, "why": str(error)})
            self._programs[source] = program
        return self._programs[source]

    def _evaluate(self, rule: Rule, value: JSONValue, old: JSONValue, path: str) -> Cause | None:
        if "oldSelf" in rule.rule and old is None and not rule.optional_old_self:
            return None
        program = self._program(rule.rule)
        if program is None:
            return None
        context = cel.Context(variables={"self": value, "oldSelf": old})
        cel.stdlib.add_stdlib_to_context(context)
        try:
            if program.execute(context) is True:
                return None
        except RuntimeError as error:
            # A function or variable that this implementation does not know.
            _log.warning("rule not evaluated", extra={"rule": rule.rule, "why": str(error)})
            return None
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            text = f"Invalid value: rule evaluation error: {error} evaluating rule: {rule.rule}"
            return Cause("FieldValueInvalid", text, path or "<nil>")
        word = _WORDS.get(rule.reason, "Invalid value")
        where = f"{path}{rule.field_path}" if rule.field_path else path
        return Cause(rule.reason, f"{word}: {self._message(rule, context)}", where.lstrip("."))

    def _message(self, rule: Rule, context: "cel.Context") -> str:
        if rule.message_expression:
            program = self._program(rule.message_expression)
            if program is not None:
                try:
                    message = program.execute(context)
                except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError):
                    message = ""
                if isinstance(message, str) and message:
                    return message
        return rule.message or f"failed rule: {rule.rule}"
