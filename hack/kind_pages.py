"""A page of docs for each of our kinds, out of its schema."""

from collections.abc import Iterator
from dataclasses import dataclass

from api.codec import JSONObject, JSONValue
from api.crd import CUSTOM_KINDS, crd

_MARK = "<!-- Generated from the types in api/; edit these instead. -->\n"
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} keys",
    "minimum": "{} or more",
    "maximum": "{} or less",
}
"""What these keys of a schema ask for; a limit of 1 character or item means: not empty."""


@dataclass(frozen=True)
class _Field:
    path: str
    type: str
    is_required: bool
    schema: JSONObject

    def row(self) -> str:
        cells = (f"`{self.path}`", self.type, "yes" if self.is_required else "", self._meaning())
        return f"| {' | '.join(cells)} |"

    def _meaning(self) -> str:
        said = [_cell(str(self.schema.get("description", "")))]
        if "default" in self.schema:
            said.append(f"Default: `{self.schema['default']}`.")
        if isinstance(values := self.schema.get("enum"), list):
            said.append(f"One of {', '.join(f'`{value}`' for value in values)}.")
        limits = [
            "not empty" if key in {"minLength", "minItems"} and value == 1 else words.format(value)
            for key, words in _LIMITS.items()
            if (value := self.schema.get(key)) is not None
        ]
        if limits:
            said.append(f"{', '.join(limits).capitalize()}.")
        said += [f"Rule: {_cell(rule)}." for rule in _rules(self.schema)]
        return " ".join(filter(None, said))


def render_kind_pages() -> dict[str, str]:
    """The pages, by file name, and the one that lists them."""
    pages = {}
    listed = ["| Kind | API group | What it is |", "|---|---|---|"]
    for custom in CUSTOM_KINDS:
        definition = crd(custom)
        name, group = custom.kind.kind, custom.kind.group
        file = f"{name.lower()}.{group}.md"
        pages[file] = _page(definition)
        schema = _schema(_version(definition))
        first = str(schema.get("description", "")).partition("\n")[0]
        listed.append(f"| [{name}]({file}) | `{group}` | {_cell(first)} |")
    pages["README.md"] = "\n".join([_MARK + "# Kinds", "", *listed]) + "\n"
    return pages


def _page(definition: JSONObject) -> str:
    spec = _object(definition["spec"])
    names, version = _object(spec["names"]), _version(definition)
    schema = _schema(version)
    short = names.get("shortNames")
    shown = f", short {', '.join(f'`{n}`' for n in short)}" if isinstance(short, list) else ""
    where = "in a namespace" if spec["scope"] == "Namespaced" else "for the whole cluster"
    command = f"`kubectl get {names['plural']}.{spec['group']}`"
    lines = [
        _MARK + f"# {names['kind']}",
        "",
        f"`apiVersion: {spec['group']}/{version['name']}`, {where}; {command}{shown}.",
        "",
        str(schema.get("description", "")),
    ]
    properties = _object(schema["properties"])
    for part in ("spec", "status"):
        if part not in properties:
            continue
        of_part = _object(properties[part])
        lines += ["", f"## {part}", ""]
        if words := str(of_part.get("description", "")):
            lines += [words, ""]
        if rules := _rules(of_part):
            lines += [*(f"- Rule: {_cell(rule)}." for rule in rules), ""]
        lines += ["| Field | Type | Required | Meaning |", "|---|---|---|---|"]
        lines += [field.row() for field in _fields(of_part, "")]
    return "\n".join(lines) + "\n"


def _fields(schema: JSONObject, above: str) -> Iterator[_Field]:
    """Each field below a schema, its own fields after it."""
    required = schema.get("required")
    for name, value in _object(schema.get("properties", {})).items():
        below = _object(value)
        path, items = f"{above}{name}", below
        while items.get("type") == "array":
            items, path = _object(items["items"]), f"{path}[]"
        is_required = isinstance(required, list) and name in required
        yield _Field(f"{above}{name}", _type(below), is_required, below)
        yield from _fields(items, f"{path}.")


def _type(schema: JSONObject) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(_object(schema['items']))}"
    if kind == "object" and "additionalProperties" in schema:
        return f"map of {_type(_object(schema['additionalProperties']))}"
    form = schema.get("format")
    return f"{kind} ({form})" if form else kind


def _rules(schema: JSONObject) -> list[str]:
    rules = schema.get("x-kubernetes-validations")
    if not isinstance(rules, list):
        return []
    return [str(_object(rule)["message"]).rstrip(".") for rule in rules]


def _version(definition: JSONObject) -> JSONObject:
    versions = _object(definition["spec"])["versions"]
    return _object(versions[0] if isinstance(versions, list) else None)


def _schema(version: JSONObject) -> JSONObject:
    return _object(_object(version["schema"])["openAPIV3Schema"])


def _object(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise TypeError(f"a schema should have an object here: {value!r}")
    return value


def _cell(text: str) -> str:
    """A text as it may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")
