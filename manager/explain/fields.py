"""What is said of an identity, line by line, wherever it is shown."""

from collections.abc import Iterator
from itertools import chain, repeat

from manager.explain.document import time_of
from manager.explain.model import EntryState, Identity
from manager.output import Colour, listed

_GOOD = frozenset({"set", "foreign"})
COLOURS: dict[bool | None, Colour] = {True: "green", False: "red", None: "yellow"}
"""Of the sentence, by whether there is an identity."""

Field = tuple[str, str] | tuple[str, str, Colour]


def fields_of(one: Identity) -> Iterator[Field]:
    """Name, value and maybe a colour of each line; one without a name goes on with the last."""
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
