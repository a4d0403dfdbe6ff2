"""The pages, as HTML. What they say of an identity is what ``explain`` says of it."""

from urllib.parse import urlencode

from manager.explain.fields import COLOURS, fields_of
from manager.explain.model import Considered, Explanation, Identity
from manager.explain.subjects import ENTRY, SPIFFE_ID
from manager.statuspage.markup import Markup, element, facts, joined, table
from manager.statuspage.overview import Overview
from manager.statuspage.search import ANYTHING, FIELD, KINDS, MOST_LENGTH

_ENTRIES = {
    "desired": "asked for by objects",
    "set": "of these: on the SPIRE server as asked for",
    "present": "this registrar's on the SPIRE server",
    "failed": "not as asked for",
    "withheld": "deletions that wait for a person",
    "foreign": "of others on the SPIRE server",
}


def overview_page(found: Overview) -> Markup:
    """The first page."""
    parts = [element("h1", "Overview")]
    if found.standby:
        parts.append(element("p", found.standby, class_="verdict yellow"))
    elif found.waits:
        parts.append(element("p", f"Not ready: {found.waits}", class_="verdict red"))
    else:
        parts.append(element("p", "Ready: it works.", class_="verdict green"))
    parts.append(facts(found.facts.items()))
    if found.withheld:
        parts += [element("h2", "Deletions are withheld"), element("p", found.withheld)]
    if found.entries:
        named = ((_ENTRIES.get(name, name), str(number)) for name, number in found.entries.items())
        parts += [element("h2", "Entries"), table("Entries by state", ("State", "Number"), named)]
    parts += _troubles(found)
    return page("Overview", joined(parts))


def _troubles(found: Overview) -> list[Markup]:
    parts: list[Markup] = []
    if found.entries:
        parts.append(element("h2", "What fails now"))
        if not found.failing and not found.wrong:
            parts.append(element("p", "Nothing."))
    if found.failing:
        head = ("SPIFFE ID", "Asked for by", "State", "Why")
        rows = (
            (_link(SPIFFE_ID, one.spiffe_id), one.asked_for_by, one.state, one.why)
            for one in found.failing
        )
        more = ", the first of them" if found.more_failing else ""
        parts.append(table(f"Entries that are not as they were asked for{more}", head, rows))
    if found.wrong:
        wrong = ((one.object, one.reason, one.message) for one in found.wrong)
        more = ", the first of them" if found.more_wrong else ""
        parts.append(
            table(f"Objects that something is wrong with{more}", ("Object", "Reason", "Why"), wrong)
        )
    if found.queues:
        depths = ((name, str(depth)) for name, depth in found.queues.items())
        parts.append(element("h2", "Queues"))
        parts.append(table("Keys that wait to be worked on", ("Queue", "Keys"), depths))
    parts.append(element("h2", "Last warnings of the log"))
    if not found.warnings:
        parts.append(element("p", "None since it was started."))
    else:
        lines = joined(element("li", line) for line in found.warnings)
        parts.append(element("ol", lines))
    return parts


def explanation_page(found: Explanation, kind: str, written: str) -> Markup:
    """What was found out of a Pod, a SPIFFE ID or an entry."""
    colour = COLOURS[found.has_identity]
    parts = [
        element("h1", found.subject),
        element("p", found.verdict, class_=f"verdict {colour}"),
        facts(found.facts.items()),
        element("h2", "Identities"),
    ]
    parts += [_identity(identity) for identity in found.identities] or [element("p", "None.")]
    if found.considered:
        parts.append(element("h2", "Gives nothing"))
        parts += [_considered(one) for one in found.considered]
    if found.left_out:
        parts.append(element("p", f"and {found.left_out} more"))
    if found.unknown:
        lines = joined(element("li", line) for line in found.unknown)
        parts += [element("h2", "Not known"), element("ul", lines)]
    return page(found.subject, joined(parts), kind, written)


def error_page(title: str, why: str, kind: str = ANYTHING, written: str = "") -> Markup:
    """That nothing can be shown, and what to do."""
    said = element("p", why, class_="verdict red", role="alert")
    return page(title, joined([element("h1", title), said]), kind, written)


def _identity(one: Identity) -> Markup:
    lines = []
    for name, value, *colours in fields_of(one):
        shown: Markup | str = value
        if name == "entry" and one.entry.id:
            # The ID is a link to what is said of the entry.
            before, _, after = value.partition(one.entry.id)
            shown = joined([before, _link(ENTRY, one.entry.id), after])
        lines.append((name, element("span", shown, class_=colours[0]) if colours else shown))
    title = element("h3", _link(SPIFFE_ID, one.key.spiffe_id))
    return element("section", title, facts(lines))


def _considered(one: Considered) -> Markup:
    parts = [element("h3", f"{one.by}: {one.word}"), element("p", one.why)]
    if one.remedy:
        parts.append(element("p", one.remedy))
    return element("section", joined(parts))


def _link(kind: str, value: str) -> Markup:
    return element(
        "a", value, href=f"/search?{urlencode({'kind': kind, FIELD: value}, errors='replace')}"
    )


def page(title: str, content: Markup, kind: str = ANYTHING, written: str = "") -> Markup:
    """A whole document, with the form to search above the content."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", f"{title} - spire-registrar"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="stylesheet", href="/style.css"),
        element("link", rel="icon", href="data:,"),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element(
            "header",
            element("p", element("a", "spire-registrar", href="/"), class_="home"),
            _form(kind, written),
        ),
        element("main", content, id="content", tabindex="-1"),
    )
    return joined([Markup("<!DOCTYPE html>\n"), element("html", head, body, lang="en")])


def _form(kind: str, written: str) -> Markup:
    options = (_option(name, shown, is_chosen=name == kind) for name, shown in KINDS.items())
    return element(
        "form",
        _labelled("Search for", "kind", element("select", *options, id="kind", name="kind")),
        _labelled(
            "Name or ID",
            FIELD,
            element(
                "input",
                id=FIELD,
                name=FIELD,
                type="text",
                value=written,
                required="",
                maxlength=str(MOST_LENGTH),
                autocomplete="off",
                spellcheck="false",
                aria_describedby="hint",
            ),
        ),
        element("button", "Search", type="submit"),
        element(
            "p",
            "Such as shop/web-1, spiffe://example.org/web, or the ID of an entry.",
            id="hint",
            class_="hint",
        ),
        action="/search",
        method="get",
        role="search",
    )


def _labelled(label: str, name: str, control: Markup) -> Markup:
    return element("div", element("label", label, for_=name), control)


def _option(value: str, shown: str, *, is_chosen: bool) -> Markup:
    if is_chosen:
        return element("option", shown, value=value, selected="")
    return element("option", shown, value=value)
