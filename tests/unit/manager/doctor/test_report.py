"""How findings are shown: signs, colours and width where there is a terminal, else plain lines."""

import io
import re
from pathlib import Path

from manager.doctor import entries
from manager.doctor.checks import IN_CLUSTER, WITHOUT_CLUSTER
from manager.doctor.finding import error, ok, some, warning
from manager.doctor.report import Table, document
from manager.output import Page

RUNBOOK = Path(__file__).resolve().parents[4] / "docs/runbook.md"
BAD = error("x", "it is broken", meaning="nobody works", remedy="mend it", runbook="not-ready")


def table(*, is_coloured: bool = False, width: int = 0, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    shown = Table(Page(out, has_colours=is_coloured, width=width or None))
    shown.add("one", ok("a", "it works"))
    shown.add("one", BAD)
    shown.add("two", warning("b", "hm", meaning="maybe", remedy="look"))
    shown.end()
    out.flush()
    return raw.getvalue().decode(encoding)


def test_each_group_has_a_heading_and_each_finding_a_line_with_the_rest_below() -> None:
    assert table() == (
        "one\n---\n√ it works\n× it is broken\n    nobody works\n    do: mend it\n"  # noqa: RUF001
        "    see: docs/runbook.md#not-ready\n\ntwo\n---\n‼ hm\n    maybe\n    do: look\n\n"
        "1 ok, 1 warning, 1 error\n"
    )


def test_words_stand_where_the_output_cannot_show_signs() -> None:
    text = table(encoding="ascii")
    assert "ok it works\nerror: it is broken\n" in text
    assert "warning: hm" in text


def test_signs_have_colours_where_that_is_wanted() -> None:
    assert "\x1b[31m×\x1b[0m it is broken" in table(is_coloured=True)  # noqa: RUF001


def test_lines_are_broken_where_there_is_a_width() -> None:
    raw = io.StringIO()
    shown = Table(Page(raw, width=40))
    shown.add("one", ok("a", "word " * 30, meaning="other " * 30))
    assert max(map(len, raw.getvalue().splitlines())) <= 40


def test_what_a_server_says_cannot_write_to_the_terminal() -> None:
    raw = io.StringIO()
    Table(Page(raw)).add("one", ok("a", "\x1b[2J\nfake"))
    assert "\x1b" not in raw.getvalue()
    assert "\nfake" not in raw.getvalue()


def test_the_document_counts_and_names() -> None:
    found = document([("one", BAD)], mode="layered")
    assert isinstance(found, dict)
    assert (found["ok"], found["warnings"], found["errors"]) == (0, 0, 1)


def test_names_in_words() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_each_section_of_the_runbook_that_is_named_is_there() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    there = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    folder = Path(__file__).resolve().parents[4] / "manager/doctor"
    for file in folder.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"^_[A-Z]+ = \"([a-z0-9-]+)\"$", text, re.MULTILINE):
            assert name in there, (file.name, name)
        for name in re.findall(r"runbook=\"([a-z0-9-]+)\"", text):
            assert name in there, (file.name, name)


def test_every_check_is_in_the_reference() -> None:
    page = (RUNBOOK.parent / "reference/doctor.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    names = {check.name for check in (*IN_CLUSTER, *WITHOUT_CLUSTER)} | {entries.UNRECORDED}
    assert set(listed) == names
    assert len(listed) == len(set(listed))
