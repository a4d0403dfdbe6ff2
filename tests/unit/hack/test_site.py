"""The site's pages and links; ``make site`` builds it with the rest checked by MkDocs."""

import re
from pathlib import Path

import pytest

from hack.site_links import on_page_markdown

ROOT = Path(__file__).resolve().parents[3]


def test_every_page_stands_in_the_navigation() -> None:
    listed = re.findall(r"^\s+- ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[deploy/x.env](../deploy/x.env)", "`deploy/x.env`"),
        ("see [rules](../../CONTRIBUTING.md#tests), too", "see `rules`, too"),
        ("[runbook](../runbook.md#a)", "[runbook](../runbook.md#a)"),
        ("[kinds](reference/kinds/README.md)", "[kinds](reference/kinds/README.md)"),
    ],
)
def test_only_a_link_that_leaves_the_docs_becomes_text(link: str, shown: str) -> None:
    assert on_page_markdown(link) == shown
