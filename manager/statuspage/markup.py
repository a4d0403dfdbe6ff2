"""Writes HTML. Whatever is no Markup already is text, so nobody can forget to escape it."""

from collections.abc import Iterable
from html import escape

from registrar.errors import printable

_EMPTY = frozenset({"meta", "link", "input", "br", "wbr"})


class Markup(str):
    """HTML that was made here; a plain ``str`` is never trusted."""

    __slots__ = ()


def text(value: str) -> Markup:
    """A text as HTML. A character that would not be seen is shown by its number."""
    return Markup(escape(printable(value), quote=True))


def joined(parts: "Iterable[Markup | str]") -> Markup:
    """Parts behind each other."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def element(tag: str, *content: "Markup | str", **attributes: str) -> Markup:
    """An element; of an attribute ``for_`` and ``aria_x`` are written as ``for`` and ``aria-x``."""
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(value)}"'
        for name, value in attributes.items()
    )
    if tag in _EMPTY:
        return Markup(f"<{tag}{pairs}>")
    return Markup(f"<{tag}{pairs}>{joined(content)}</{tag}>")


def table(caption: str, head: Iterable[str], rows: "Iterable[Iterable[Markup | str]]") -> Markup:
    """A table whose first column names the row."""
    titles = joined(element("th", title, scope="col") for title in head)
    body = []
    for first, *rest in rows:
        cells = joined(element("td", cell) for cell in rest)
        body.append(element("tr", element("th", first, scope="row"), cells))
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", titles)),
            element("tbody", joined(body)),
        ),
        # What is wider than the window scrolls, for who has only a keyboard too.
        class_="wide",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def facts(pairs: "Iterable[tuple[str, Markup | str]]") -> Markup:
    """Names and their values; a value without a name belongs to the name before it."""
    return element(
        "dl",
        joined(
            joined([element("dt", name) if name else Markup(), element("dd", value)])
            for name, value in pairs
        ),
    )
