"""The HCL 1 parser: what it reads, where it says a mistake is, and what others read."""

import json

import hcl as pyhcl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.settings.hcl import (
    MOST_REPEATED,
    Document,
    Items,
    Scalar,
    Table,
    Value,
    parse,
    parse_scalar,
)
from registrar.settings.hcltokens import HCLError, Position

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]


def plain(value: Value) -> Plain:
    """A tree without its places."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Items):
        return [plain(item) for item in value.values]
    return {key: plain(entry.value) for key, entry in value.entries.items()}


def read(text: str) -> Plain:
    return plain(parse(text).root)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("# only\n// comments\n/* here\n */", {}, id="comments"),
        pytest.param('a = "x"\nb = 1 c = true', {"a": "x", "b": 1, "c": True}, id="assignments"),
        pytest.param('"a" = 1\n"b c" = 2', {"a": 1, "b c": 2}, id="quoted keys"),
        pytest.param("a-b.c_d = 1", {"a-b.c_d": 1}, id="dashes and dots in names"),
        pytest.param("a { b = 1, c = 2, }", {"a": {"b": 1, "c": 2}}, id="block with commas"),
        pytest.param("a = { b { c = 1 } }", {"a": {"b": {"c": 1}}}, id="object"),
        pytest.param(
            'a = [1, "x", [true], { b = 1 },]', {"a": [1, "x", [True], {"b": 1}]}, id="list"
        ),
        pytest.param("a = []\nb {}", {"a": [], "b": {}}, id="empty list and block"),
        pytest.param('a "x" "y" { b = 1 }', {"a": {"x": {"y": {"b": 1}}}}, id="labels"),
        pytest.param(
            'a "x" "y" { b = 1 }\na "x" "z" {}\na "w" {}',
            {"a": {"x": {"y": {"b": 1}, "z": {}}, "w": {}}},
            id="labels gather",
        ),
        pytest.param("a = [ # why\n1, /* and */ 2 // so\n]", {"a": [1, 2]}, id="comments within"),
        pytest.param("\ufeffa = 1\r\nb = 2\r\n", {"a": 1, "b": 2}, id="as Windows saves it"),
        pytest.param(
            ' { "a": [1, {"b": "x"}], "c": {} } ', {"a": [1, {"b": "x"}], "c": {}}, id="JSON"
        ),
    ],
)
def test_a_file_becomes_a_tree(text: str, tree: Plain) -> None:
    assert read(text) == tree


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        pytest.param("a = info", 1, 5, 'write "info"', id="unquoted text"),
        pytest.param("a = 1\nb", 2, 2, "'=' and a value, or a block", id="key alone"),
        pytest.param("a : 1", 1, 3, "found ':'", id="colon"),
        pytest.param('a "b" = 1', 1, 7, "a block in braces after a.b", id="label and value"),
        pytest.param("a = ", 1, 5, "found the end of the file", id="no value"),
        pytest.param("a {\n b = 1\n", 3, 1, "expected a key, found the end", id="open block"),
        pytest.param("a = 1\n}", 2, 1, "found '}'", id="brace too many"),
        pytest.param("a = [1 2]", 1, 8, "expected ','", id="no comma"),
        pytest.param("a = [,]", 1, 6, "expected a value for a[0]", id="comma first"),
        pytest.param("true = 1", 1, 1, "expected a key, found true", id="boolean as key"),
        pytest.param('{"a": 1,}', 1, 9, "no comma at the end", id="JSON comma at the end"),
        pytest.param('{"a": [1,]}', 1, 10, "no comma at the end", id="JSON comma in list"),
        pytest.param('{"a": 1 "b": 2}', 1, 9, "expected ','", id="JSON without comma"),
        pytest.param('{"a" = 1}', 1, 6, "expected ':'", id="JSON with equals sign"),
        pytest.param("{a: 1}", 1, 2, "a key in double quotes", id="JSON with bare key"),
        pytest.param('{"a": 1} x', 1, 10, "nothing after", id="JSON and more"),
        pytest.param("a = " + "[" * 1000, 1, 69, "levels of nesting", id="nesting"),
    ],
)
def test_a_syntax_error_names_line_column_and_remedy(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(HCLError) as caught:
        parse(text)
    assert caught.value.at == Position(line, column)
    assert words in caught.value.message
    assert f"line {line}, column {column}: " in str(caught.value)


def repeated(document: Document) -> list[tuple[str, int, int]]:
    return [(key.key, key.at.line, key.first.line) for key in document.repeated]


def test_keys_that_stand_twice_are_reported_at_every_level() -> None:
    document = parse('a = 1\nb {\n c = 1\n c = 2\n}\na = 3\nd "x" {}\nd "x" {}\nb {}')
    assert repeated(document) == [("b.c", 4, 3), ("a", 6, 1), ("d.x", 8, 7), ("b", 9, 2)]
    assert plain(document.root) == {"a": 1, "b": {"c": 1}, "d": {"x": {}}}


def test_keys_that_stand_twice_in_json_are_reported() -> None:
    assert repeated(parse('{"a": [{"b": 1,\n"b": 2}]}')) == [("a[0].b", 2, 1)]


def test_values_know_their_place() -> None:
    root = parse('a = 1\n\n  list = [\n    "x",\n  ]').root
    entry = root.entries["list"]
    assert entry.at == Position(3, 3)
    assert isinstance(entry.value, Items)
    assert entry.value.values[0].at == Position(4, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("true", True), ('"x"', "x"), ("30s", None), ("1 2", None), ("x", None), ("", None)],
)
def test_a_scalar_alone_is_read_or_is_none(text: str, value: Plain | None) -> None:
    scalar = parse_scalar(text)
    assert (scalar.value if scalar else None) == value


# pyhcl is right about these: texts with escaped quotes, decimal numbers, lists of texts and
# numbers, blocks. It misreads other escapes, octal numbers and heredocs, and refuses booleans
# and nesting in lists.
names = st.from_regex(r"[a-z_][a-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith(("true", "false"))
)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="$\\"))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15).map(lambda n: round(n, 6))
scalars = texts | numbers | st.booleans()
lists = st.lists(texts, max_size=4) | st.lists(numbers, max_size=4)
tables = st.recursive(
    st.dictionaries(names, scalars | lists, max_size=4),
    lambda inner: st.dictionaries(names, scalars | lists | inner, max_size=4),
    max_leaves=6,
)


def written(value: Plain) -> str:
    """A value in HCL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{\n" + body(value) + "}"
    return repr(value)


def body(table: dict[str, Plain]) -> str:
    lines = (
        f"{key} {'' if isinstance(value, dict) else '= '}{written(value)} # {key}\n"
        for key, value in table.items()
    )
    return "".join(lines)


@given(tables)
def test_it_reads_what_pyhcl_reads(table: dict[str, Plain]) -> None:
    text = body(table)
    assert read(text) == pyhcl.loads(text) == table


@given(st.recursive(
    st.dictionaries(st.text(), scalars | st.text()),
    lambda inner: st.dictionaries(st.text(), inner | st.lists(inner | scalars)),
    max_leaves=8,
), st.booleans())  # fmt: skip
def test_it_reads_the_json_that_python_writes(table: dict[str, Plain], ascii_only: bool) -> None:
    assert read(json.dumps(table, ensure_ascii=ascii_only)) == table


@given(st.text(st.sampled_from('ab01.-e"\\$ {}[]=:,#/*<\n\rux\u00e9\0') | st.characters()))
def test_any_text_is_a_tree_or_an_error_within_the_text(text: str) -> None:
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    at = place_of_mistake(text)
    assert 1 <= at.line <= len(lines)
    assert 1 <= at.column <= len(lines[at.line - 1]) + 1


def place_of_mistake(text: str) -> Position:
    """Where the parser finds the first mistake; the text's start if it finds none."""
    try:
        parse(text)
    except HCLError as error:
        return error.at
    return Position(1, 1)


def test_many_blocks_of_one_name_gather_under_it() -> None:
    root = parse("".join(f'plugin "p{n}" {{ a = {n} }}\n' for n in range(300))).root
    gathered = root.entries["plugin"].value
    assert isinstance(gathered, Table)
    assert list(gathered.entries) == [f"p{n}" for n in range(300)]


def test_the_path_of_a_key_has_an_end_and_so_has_the_list_of_those_that_stand_twice() -> None:
    depth, times = 20, MOST_REPEATED + 50
    keys = "x" * 5000
    text = f"{keys} {{\n" * depth + "a = 1\n" * times + "}\n" * depth
    repeated = parse(text).repeated
    assert len(repeated) == MOST_REPEATED
    assert {len(found.key) for found in repeated} == {1001}
    assert repeated[0].key.endswith("x.a")
