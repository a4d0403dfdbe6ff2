"""An explanation as people read it: what there is, what gives nothing, and one sentence."""

from collections.abc import Iterator

from manager.explain.document import time_of
from manager.explain.model import Considered, EntryState, Explanation, Identity
from registrar.errors import printable

_WIDTH = 15


def text_of(explanation: Explanation) -> str:
    """The lines, ready to print; nothing that somebody wrote can steer a terminal."""
    return "".join(f"{printable(line)}\n" for line in _lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    yield explanation.subject
    for name, value in explanation.facts.items():
        yield _field(name, value, indent=2)
    if explanation.identities:
        yield ""
        yield "Identities:"
    for identity in explanation.identities:
        yield from _identity(identity)
    if explanation.considered:
        yield ""
        yield "Gives nothing:"
    for one in explanation.considered:
        yield from _considered(one)
    if explanation.left_out:
        yield f"  and {explanation.left_out} more"
    if explanation.events:
        yield ""
        yield "Events:"
    for event in explanation.events:
        yield f"  {event.at} {event.type} {event.reason} on {event.on}: {event.message}"
    if explanation.unknown:
        yield ""
        yield "Not known:"
    for line in explanation.unknown:
        yield f"  {line}"
    yield ""
    yield explanation.verdict


def _identity(one: Identity) -> Iterator[str]:
    attributes = one.attributes
    yield f"  {one.key.spiffe_id}"
    yield _field("asked for by", "nobody" if one.by is None else str(one.by))
    if one.masked:
        younger = ", ".join(map(str, one.masked))
        yield _field("masks", f"{younger}, which asks for the same entry and is younger")
    yield _field("parent", one.key.parent_id)
    yield _field("selectors", ", ".join(map(str, one.key.selectors)))
    if one.fit is not None and one.fit.missing:
        missing = ", ".join(map(str, one.fit.missing))
        yield _field("", f"the Pod has not {missing}")
    if one.fit is not None and one.fit.unknown:
        unknown = ", ".join(map(str, one.fit.unknown))
        yield _field("", f"only the agent can tell whether the Pod has {unknown}")
    if attributes.federates_with:
        yield _field("federates with", ", ".join(attributes.federates_with))
    if one.pending:
        yield _field("", f"the SPIRE server holds no bundle of {', '.join(one.pending)} yet")
    if attributes.dns_names:
        yield _field("DNS names", ", ".join(attributes.dns_names))
    yield from _entry(one.entry)
    yield from _serving(one)
    for reason, message in one.notes.items():
        yield _field(reason, message)


def _entry(entry: EntryState) -> Iterator[str]:
    words = [entry.state]
    if entry.id:
        words.append(f"as {entry.id}")
    if entry.created_at:
        words.append(f"since {time_of(entry.created_at)}")
    yield _field("entry", " ".join(words))
    for one in entry.differences:
        yield _field("", f"{one.field} is {one.found}, asked for is {one.wanted}")
    if entry.why:
        yield _field("", entry.why)
    if entry.remedy:
        yield _field("", entry.remedy)


def _serving(one: Identity) -> Iterator[str]:
    serving = one.serving
    if serving is None:
        return
    if serving.unmet is not None:
        yield _field("served by", f"nobody: {serving.unmet.message}")
        yield _field("", serving.unmet.remedy)
        return
    alias = "" if serving.alias is None else f", which has the parent by entry {serving.alias.id}"
    yield _field("served by", f"{serving.agent}{alias}")


def _considered(one: Considered) -> Iterator[str]:
    yield f"  {one.by}: {one.word}"
    yield f"    {one.why}"
    if one.remedy:
        yield f"    {one.remedy}"


def _field(name: str, value: str, *, indent: int = 4) -> str:
    return f"{' ' * indent}{name:<{_WIDTH}} {value}".rstrip()
