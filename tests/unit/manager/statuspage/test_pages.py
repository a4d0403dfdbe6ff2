"""Whatever somebody wrote stays text on the page, and every page keeps the rules of all pages."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.explain.model import Considered, Difference, EntryState, Explanation, Identity, Masked
from manager.statuspage.markup import Markup, element, text
from manager.statuspage.overview import Failing, Overview, Wrong
from manager.statuspage.pages import error_page, explanation_page, overview_page
from registrar.claims.claim import Claimant
from registrar.errors import printable
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import Selector
from tests.support.statuspage import read

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "</title></main><svg/onload=alert(1)>",
    "&lt;script&gt;&#0;&amp;",
    "javascript:alert(1)",
    "<!-- <![CDATA[ ]]> --> <?php ?>",
    "\u202e\u0000\ud800\u2028\x1b[31m",
    "{{ 7*7 }} ${7*7} %00",
)
ANY_TEXT = st.text() | st.sampled_from(HOSTILE)


def explanation(word: str) -> Explanation:
    """One that holds the word wherever something that people wrote may stand."""
    by = Claimant("ClusterSPIFFEID", word, word)
    attributes = Attributes(dns_names=(word,), federates_with=(word,), hint=word)
    entry = EntryState(
        state="differs",
        id=word,
        differences=[Difference("hint", word, word)],
        why=word,
        remedy=word,
    )
    identity = Identity(
        key=EntryKey(word, word, (Selector("k8s", word),)),
        attributes=attributes,
        by=by,
        entry=entry,
        masked=[Masked(by, word)],
        pending=[word],
        notes={word: word},
    )
    return Explanation(
        subject=word,
        verdict=word,
        has_identity=None,
        facts={word: word},
        identities=[identity],
        considered=[Considered(by=by, reason=word, message=word)],
        left_out=3,
        unknown=[word],
    )


def overview(word: str) -> Overview:
    return Overview(
        facts={"leads": word},
        standby="",
        waits=word,
        entries={"set": 1, word: 2},
        queues={word: 3},
        failing=[Failing(word, word, word, word)],
        more_failing=True,
        wrong=[Wrong(word, word, word)],
        more_wrong=True,
        withheld=word,
        warnings=[word],
    )


@given(ANY_TEXT)
def test_what_is_explained_stays_text(word: str) -> None:
    page = read(str(explanation_page(explanation(word), "pod", word)))
    assert printable(word) in page.lines
    (typed,) = page.of("input")
    assert typed["value"] == printable(word)


@given(ANY_TEXT)
def test_what_the_overview_shows_stays_text(word: str) -> None:
    assert printable(word) in read(str(overview_page(overview(word)))).lines


@given(ANY_TEXT, ANY_TEXT)
def test_what_was_searched_for_stays_text(word: str, kind: str) -> None:
    assert printable(word) in read(str(error_page(word, word, kind, word))).lines


@given(ANY_TEXT)
def test_an_attribute_holds_any_text(word: str) -> None:
    html = element("a", word, href=word)
    assert html.count("<") == 2
    assert html.count(">") == 2
    assert html.count('"') == 2


def test_only_what_was_made_here_is_trusted() -> None:
    assert text("<b>") == "&lt;b&gt;"
    assert element("p", Markup("<b>"), "<b>") == "<p><b>&lt;b&gt;</p>"


@pytest.mark.parametrize("word", ["", "plain"])
def test_an_overview_of_nothing_says_so(word: str) -> None:
    nothing = replace(
        overview(word), waits="", failing=[], wrong=[], warnings=[], queues={}, withheld=""
    )
    lines = read(str(overview_page(nothing))).lines
    assert "Ready: it works." in lines
    assert "Nothing." in lines
    assert "None since it was started." in lines


@pytest.mark.parametrize(
    ("has", "colour"), [(True, "verdict green"), (False, "verdict red"), (None, "verdict yellow")]
)
def test_a_verdict_is_told_apart_by_its_colour_too(*, has: bool | None, colour: str) -> None:
    found = replace(explanation("x"), has_identity=has)
    classes = [a.get("class") for a in read(str(explanation_page(found, "pod", "x"))).of("p")]
    assert colour in classes
