"""The colours of the page can be read, light and dark."""

import re

import pytest

from manager.statuspage.style import STYLE

LIGHT, DARK = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
READ_ON = [
    (text, back)
    for text in ("text", "dim", "link", "good", "bad", "unsure")
    for back in ("back", "soft")
]


def colours(part: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z]+): #([0-9a-f]{6})", part))


def luminance(colour: str) -> float:
    """As WCAG 2 reckons it."""
    values = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "back"), READ_ON)
def test_text_stands_out_from_what_it_stands_on(scheme: str, text: str, back: str) -> None:
    found = colours(scheme)
    assert contrast(found[text], found[back]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_edges_of_controls_stand_out(scheme: str) -> None:
    found = colours(scheme)
    assert contrast(found["line"], found["back"]) >= 3


def test_it_fetches_nothing() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
