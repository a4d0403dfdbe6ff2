"""An explanation as people read it: what there is, what gives nothing, and one sentence."""

from collections.abc import Iterator
from itertools import chain, repeat

from manager.explain.document import time_of
from manager.explain.model import Considered, EntryState, Explanation, Identity
from manager.output import Colour, Page, listed

_WIDTH = 15
_GOOD = frozenset({"set", "foreign"})
_COLOURS: dict[bool | None, Colour] = {True: "green", False: "red", None: "yellow"}


def write(explanation: Explanation, page: Page) -> None:
    """Write all of it; nothing that somebody wrote can steer a terminal."""
    page.line(page.coloured(explanation.subject, "bold"))
    for name, value in explanation.facts.items():
        _write_field(page, name, value, indent=2)
    _title(page, "Identities", explanation.identities)
    for identity in explanation.identities:
        page.line("  " + page.coloured(identity.key.spiffe_id, "bold"))
        for name, value, *colours in _of_identity(identity):
            _write_field(page, name, value, *colours)
    _title(page, "Gives nothing", explanation.considered)
    for one in explanation.considered:
        _write_considered(page, one)
    if explanation.left_out:
        page.line(f"  and {explanation.left_out} more")
    _title(page, "Events", explanation.events)
    for event in explanation.events:
        line = f"{event.at} {event.type} {event.reason} on {event.on}: {event.message}"
        page.paragraph(page.coloured(line), indent="    ", first="  ")
    _title(page, "Not known", explanation.unknown)
    for line in explanation.unknown:
        page.paragraph(page.coloured(line), indent="    ", first="  ")
    page.line()
    colour = _COLOURS[explanation.has_identity]
    page.paragraph(page.coloured(explanation.verdict, colour))


Field = tuple[str, str] | tuple[str, str, Colour]


def _of_identity(one: Identity) -> Iterator[Field]:
    attributes = one.attributes
    yield "asked for by", "nobody" if one.by is None else str(one.by)
    for name, other in zip(chain(["masks"], repeat("")), one.masked, strict=False):
        yield name, f"{other.by}: {other.why}, and for the same entry"
    yield "parent", one.key.parent_id
    yield "selectors", ", ".join(map(str, one.key.selectors))
    if one.fit is not None and one.fit.missing:
        yield "", f"the Pod has not {listed(map(str, one.fit.missing))}", "red"
    if one.fit is not None and one.fit.unknown:
        unknown = listed(map(str, one.fit.unknown))
        yield "", f"only the agent can tell whether the Pod has {unknown}"
    if attributes.federates_with:
        yield "federates with", ", ".join(attributes.federates_with)
    if one.pending:
        yield "", f"the SPIRE server holds no bundle of {listed(one.pending)} yet", "yellow"
    if attributes.dns_names:
        yield "DNS names", ", ".join(attributes.dns_names)
    yield from _of_entry(one.entry)
    yield from _of_serving(one)
    for reason, message in one.notes.items():
        yield reason, message, "yellow"


def _of_entry(entry: EntryState) -> Iterator[Field]:
    words = [entry.state]
    if entry.id:
        words.append(f"as {entry.id}")
    if entry.created_at:
        words.append(f"since {time_of(entry.created_at)}")
    yield "entry", " ".join(words), "green" if entry.state in _GOOD else "red"
    for one in entry.differences:
        yield "", f"{one.field} is {one.found}, asked for is {one.wanted}", "yellow"
    if entry.why:
        yield "", entry.why
    if entry.remedy:
        yield "", entry.remedy


def _of_serving(one: Identity) -> Iterator[Field]:
    serving = one.serving
    if serving is None:
        if one.in_doubt:
            yield "served by", "nobody can tell", "yellow"
        return
    if serving.unmet is not None:
        yield "served by", f"nobody: {serving.unmet.message}", "red"
        yield "", serving.unmet.remedy
        return
    alias = "" if serving.alias is None else f", which has the parent by entry {serving.alias.id}"
    yield "served by", f"{serving.agent}{alias}", "green"


def _write_considered(page: Page, one: Considered) -> None:
    page.line("  " + page.coloured(f"{one.by}: {one.word}", "bold"))
    page.paragraph(page.coloured(one.why), indent="    ")
    if one.remedy:
        page.paragraph(page.coloured(one.remedy), indent="    ")


def _write_field(page: Page, name: str, value: str, *colours: Colour, indent: int = 4) -> None:
    first = f"{' ' * indent}{name:<{_WIDTH}} "
    page.paragraph(page.coloured(value, *colours), indent=" " * len(first), first=first)


def _title(page: Page, title: str, shown: object) -> None:
    if shown:
        page.line()
        page.line(page.coloured(f"{title}:", "bold"))
