"""Pages for a reader: on a terminal, and in a file or pipe."""

import io
import json

import pytest
import yaml

from api.codec import JSONValue
from manager.output import Page, as_document, counted, listed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_has_colours_and_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    page = Page.of(Terminal())
    assert page.coloured("text", "red", "bold") == "\x1b[31;1mtext\x1b[0m"
    assert page.width == 50
    plain = Page.of(io.StringIO())
    assert (plain.coloured("text", "red"), plain.width) == ("text", None)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_reader_can_do_without_colours(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert Page.of(Terminal()).coloured("text", "red") == "text"


def test_what_an_object_says_cannot_steer_a_terminal() -> None:
    page = Page(Terminal(), has_colours=True)
    assert "\x1b[2J" not in page.coloured("\x1b[2Jgone", "red")


def test_paragraphs_are_as_wide_as_the_terminal() -> None:
    out = Terminal()
    Page(out, width=20).paragraph("one two three four five six", first="- ", indent="  ")
    assert out.getvalue() == "- one two three four\n  five six\n"
    out = Terminal()
    Page(out).paragraph("one two three four five six", first="- ", indent="  ")
    assert out.getvalue() == "- one two three four five six\n"


def test_the_columns_of_a_table_begin_below_each_other() -> None:
    out = Terminal()
    Page(out).table([("a", "bb"), ("ccc", "d")], indent=" ")
    assert out.getvalue() == " a    bb\n ccc  d\n"


def test_documents_are_read_back() -> None:
    document: JSONValue = {"a": ["ä", 1, None]}
    assert json.loads(as_document(document, "json")) == document
    assert yaml.safe_load(as_document(document, "yaml")) == document


def test_numbers_and_lists_are_sentences() -> None:
    assert (counted(1, "entry", "entries"), counted(2, "pod")) == ("1 entry", "2 pods")
    assert counted(2000, "Node") == "2,000 Nodes"
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
