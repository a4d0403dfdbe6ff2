"""The pages of our kinds."""

import pytest

from api.crd import CUSTOM_KINDS
from hack.kind_pages import render_kind_pages

PAGES = render_kind_pages()


def test_each_kind_has_a_page_that_the_list_names() -> None:
    assert len(PAGES) == len(CUSTOM_KINDS) + 1
    assert all(f"({name})" in PAGES["README.md"] for name in PAGES if name != "README.md")


@pytest.mark.parametrize(
    ("page", "row"),
    [
        ("clusterspiffeid.spire.spiffe.io.md", "| `fallback` | boolean |  | "),
        ("clusterspiffeid.spire.spiffe.io.md", "| `podSelector.matchLabels` | map of string |  | "),
        (
            "clusterspiffeid.spire.spiffe.io.md",
            "| `podSelector.matchExpressions[].key` | string | yes | ",
        ),
        ("clusterstaticentry.spire.spiffe.io.md", "| `selectors` | list of string | yes | "),
    ],
)
def test_a_field_has_its_path_type_and_whether_it_must_be_there(page: str, row: str) -> None:
    assert row in PAGES[page]


def test_rules_and_limits_are_said() -> None:
    page = PAGES["clusterspiffeid.spire.spiffe.io.md"]
    assert "One of `In`, `NotIn`, `Exists`, `DoesNotExist`." in page
    assert "Rule: write a duration with its units, such as 90s, 1h or 1h30m." in page


def test_no_table_has_a_line_that_markdown_takes_for_two_cells_or_for_html() -> None:
    for name, text in PAGES.items():
        if name == "README.md":
            continue
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows
        for row in rows:
            assert row.replace("\\|", "").count("|") == 5
            assert "<" not in row.replace("\\<", "")
