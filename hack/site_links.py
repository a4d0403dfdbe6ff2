"""MkDocs' hook for links that leave docs/: a site does not have those files, so it names them."""

import re

_LEAVING = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+(?:config|deploy|hack|tests|api|README|CONTRIBUTING)[^)]*\)"
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write such a link as the text that it has."""
    return _LEAVING.sub(r"`\1`", markdown)
