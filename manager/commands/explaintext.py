"""An explanation as people read it: what there is, what gives nothing, and one sentence."""

from manager.explain.fields import COLOURS, fields_of
from manager.explain.model import Considered, Explanation
from manager.output import Colour, Page

_WIDTH = 15


def write(explanation: Explanation, page: Page) -> None:
    """Write all of it; nothing that somebody wrote can steer a terminal."""
    page.line(page.coloured(explanation.subject, "bold"))
    for name, value in explanation.facts.items():
        _write_field(page, name, value, indent=2)
    _title(page, "Identities", explanation.identities)
    for identity in explanation.identities:
        page.line("  " + page.coloured(identity.key.spiffe_id, "bold"))
        for name, value, *colours in fields_of(identity):
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
    colour = COLOURS[explanation.has_identity]
    page.paragraph(page.coloured(explanation.verdict, colour))


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
