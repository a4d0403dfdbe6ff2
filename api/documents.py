"""YAML documents as people write them, as the raw JSON that they stand for.

Apart from the codecs: most processes meet no YAML, and need not carry its parser.
"""

import yaml

from .codec import DecodeError, JSONValue


class _StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes users mean it: a key given twice is an error, dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, JSONValue]:  # type: ignore[override]  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                line = key_node.start_mark.line + 1
                raise DecodeError(f"line {line}: key {key!r} is given twice: remove one of them")
            seen.add(key)
        mapping: dict[str, JSONValue] = super().construct_mapping(node, deep)  # type: ignore[assignment]
        return mapping


# PyYAML speaks YAML 1.1: without this a date or `12:30:45` would stop being text.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml_documents(text: str) -> list[JSONValue]:
    """All documents of a YAML stream, empty ones left out.

    Raises DecodeError with the line for broken YAML or a key given twice.
    """
    try:
        loaded = yaml.load_all(text, Loader=_StrictLoader)
        return [document for document in loaded if document is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DecodeError(f"line {line}: {error.problem}") from error


def dump_yaml(document: JSONValue) -> str:
    """One document as YAML, keys in the order given."""
    text: str = yaml.dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text
