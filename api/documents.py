"""YAML documents as people write them, as the raw JSON that they stand for.

Apart from the codecs: most processes meet no YAML, and need not carry its parser.
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol

import yaml

from .codec import DecodeError, JSONValue
from .errors import printable, shortened

MOST_LEVELS = 64
"""Of nesting. The library's functions call themselves: far deeper, they end the process."""
MOST_COPIED = 10_000
"""Nodes that aliases may add: nine lines of aliases can stand for a billion."""
_LONGEST_NUMBER = 64
"""Characters: Python refuses to read very long ones, and takes minutes for those in base 60."""
_LONGEST_MESSAGE = 300
_TAGS = frozenset(
    {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
)
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


class _Mark(Protocol):
    """A place, counted from 0; the library has two classes for it."""

    line: int
    column: int


class YAMLError(DecodeError):
    """A text that is no YAML, or that asks for more than a document needs; says where."""

    def __init__(self, message: str, mark: _Mark | None) -> None:
        self.message = printable(shortened(message, _LONGEST_MESSAGE))
        self.line = mark.line + 1 if mark else 1
        self.column = mark.column + 1 if mark else 1
        super().__init__(f"line {self.line}: {self.message}")


class _Check:
    """Walks over the parser's events, before anything is built of them."""

    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._loader = loader
        self._open: list[tuple[str | None, int]] = []
        """The anchor of each collection that is not closed yet, and the nodes before it."""
        self._anchors: dict[str, int] = {}
        """How many nodes each anchor stands for, aliases within it followed."""
        self._nodes = 0
        self._copied = 0

    def run(self) -> None:
        """Raises YAMLError, and the parser's own errors."""
        while self._loader.check_event():
            event = self._loader.get_event()
            if isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._collection(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = self._open.pop()
                if anchor is not None:
                    self._anchors[anchor] = self._nodes - before
            elif isinstance(event, yaml.DocumentStartEvent):
                # An anchor is known in its own document only.
                self._anchors.clear()

    def _alias(self, event: yaml.AliasEvent) -> None:
        if any(anchor == event.anchor for anchor, _ in self._open):
            raise YAMLError(f"the alias *{event.anchor} stands within itself", event.start_mark)
        # An alias without its anchor is refused by the parser.
        size = self._anchors.get(event.anchor or "", 1)
        self._nodes += size
        self._copied += size
        if self._copied > MOST_COPIED:
            raise YAMLError(
                f"aliases stand for more than {MOST_COPIED} values: write them out",
                event.start_mark,
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._nodes += 1
        self._check_tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = 1
        if len(event.value) <= _LONGEST_NUMBER:
            return
        if (event.tag or self._plain_tag(event)) in _NUMBERS:
            raise YAMLError(
                f"a number of {len(event.value)} characters: put it in quotes if it is a text",
                event.start_mark,
            )

    def _plain_tag(self, event: yaml.ScalarEvent) -> str:
        """What a value without a tag is: in quotes, a text."""
        found: str = self._loader.resolve(  # type: ignore[no-untyped-call]
            yaml.ScalarNode, event.value, event.implicit
        )
        return found

    def _collection(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        self._open.append((event.anchor, self._nodes))
        self._nodes += 1
        if len(self._open) > MOST_LEVELS:
            raise YAMLError(f"nested more than {MOST_LEVELS} levels deep", event.start_mark)

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in {None, "!"} | _TAGS:
            raise YAMLError(f"a value of type {event.tag}, which JSON lacks", event.start_mark)


def check_yaml(text: str) -> None:
    """Look whether a text is YAML that can be loaded safely, whatever loads it then.

    Raises YAMLError, also for what is nested too deeply, for aliases that stand for
    far more than is written, and for very long numbers. Its time is that of the text's
    length.
    """
    with _telling():
        loader = yaml.CSafeLoader(text)
        try:
            _Check(loader).run()
        finally:
            loader.dispose()


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Turns all that the library raises into YAMLError."""
    try:
        yield
    except DecodeError:
        raise
    except yaml.MarkedYAMLError as error:
        raise YAMLError(error.problem or "not YAML", error.problem_mark) from error
    except (
        yaml.YAMLError,
        ValueError,
        # How the library fails on a value that does not fit the type that it is given.
        AttributeError,
        LookupError,
        TypeError,
        RecursionError,
    ) as error:
        raise YAMLError(f"not YAML: {error}", None) from error


class _StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes users mean it: a key given twice is an error, dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, JSONValue]:  # type: ignore[override]  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YAMLError("a key is no text", key_node.start_mark)
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
    check_yaml(text)
    with _telling():
        loaded = yaml.load_all(text, Loader=_StrictLoader)
        return [document for document in loaded if document is not None]


def dump_yaml(document: JSONValue) -> str:
    """One document as YAML, keys in the order given."""
    text: str = yaml.dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text
