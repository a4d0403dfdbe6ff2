"""What a preview says, for a reader: counts first, then each change and why."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from manager.caches.cache import Unread
from manager.commands.plandocument import field_name
from manager.output import Colour, Page, counted, listed
from manager.preview.model import Action, Change, FederationChange, Outlook
from registrar.claims.claim import Claim, Claimant
from registrar.claims.ownership import is_a_registrars
from registrar.errors import printable
from registrar.identity.entry import Attributes

_SIGNS: dict[Action, tuple[str, Colour]] = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.ADOPT: (">", "cyan"),
    Action.DELETE: ("-", "red"),
    Action.WITHHELD: ("=", "magenta"),
    Action.BLOCKED: ("!", "red"),
    Action.REFUSED: ("!", "red"),
    Action.FAILED: ("!", "red"),
    Action.HELD: ("?", "dim"),
    Action.KEEP: (" ", "dim"),
}
_WORDS: dict[Action, str] = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.ADOPT: "to adopt",
    Action.DELETE: "to delete",
    Action.WITHHELD: "whose deletion waits for a person",
    Action.BLOCKED: "blocked by others' entries",
    Action.REFUSED: "refused",
    Action.FAILED: "not to be had yet",
    Action.HELD: "kept for objects in doubt",
    Action.KEEP: "unchanged",
}
_ORDER = tuple(_WORDS)
_INDENT = "      "


def show(outlook: Outlook, page: Page, *, limit: int, shows_kept: bool) -> None:
    """Write everything; of each action at most ``limit`` entries, 0 for all."""
    _head(outlook, page)
    entries = outlook.entries if shows_kept else outlook.changes
    ordered = sorted(entries, key=lambda change: _ORDER.index(change.action))
    for action, group in groupby(ordered, key=lambda change: change.action):
        _group(action, list(group), page, limit)
    for relationship in outlook.relationships:
        if shows_kept or relationship.action is not Action.KEEP:
            _relationship(relationship, page)
    _tail(outlook, page)


def _head(outlook: Outlook, page: Page) -> None:
    page.line(f"{outlook.mode} mode, entry IDs begin with {printable(outlook.prefix)}.")
    objects = [
        f"{resource.partition('.')[0]} {number}"
        for resource, number in outlook.counts.objects.items()
        if number
    ]
    own, others = counted(outlook.counts.own, "entry", "entries"), outlook.counts.foreign
    held = f"{own} of its own and {others} of others"
    page.paragraph(f"Read: {listed(objects) or 'no object'}. The SPIRE server holds {held}.")
    if outlook.left_out:
        page.paragraph(
            f"Left out of the manifests: {counted(outlook.left_out, 'document')} of other kinds."
        )
    page.line()
    page.line(page.coloured("Entries:", "bold") + f" {_sum(outlook.counts.entries, page)}.")
    if outlook.relationships:
        numbers = _sum(outlook.counts.relationships, page)
        page.line(page.coloured("Federation:", "bold") + f" {numbers}.")
    page.line()


def _sum(numbers: Mapping[Action, int], page: Page) -> str:
    """``2 to create, 1 unchanged``."""
    parts = [
        page.coloured(f"{numbers[action]} {_WORDS[action]}", _SIGNS[action][1])
        for action in _ORDER
        if numbers.get(action)
    ]
    return ", ".join(parts) or "none"


def _group(action: Action, changes: Sequence[Change], page: Page, limit: int) -> None:
    """The entries of one action."""
    if action is Action.WITHHELD:
        page.paragraph(changes[0].why, first=page.coloured("Withheld: ", "magenta"))
    shown = changes if not limit else changes[:limit]
    for change in shown:
        _entry(change, page)
    if len(shown) < len(changes):
        left = f"… and {len(changes) - len(shown)} more {_WORDS[action]} (all with --limit 0)"
        page.line(f"  {page.coloured(left, 'dim')}")
        page.line()


def _entry(change: Change, page: Page) -> None:
    sign, colour = _SIGNS[change.action]
    title = f"{sign} {change.action.value:8} {change.key.spiffe_id}"
    page.line(f"  {page.coloured(title, colour)}")
    rows = [
        ("entry", change.entry_id),
        ("parent", change.key.parent_id),
        ("selectors", ", ".join(map(str, change.key.selectors))),
        *(() if change.action is Action.BLOCKED else _fields(change)),
        *_reasons(change),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        if text:
            first = f"{_INDENT}{name:{width}}  "
            page.paragraph(printable(text), first=first, indent=" " * len(first))
    page.line()


def _fields(change: Change) -> list[tuple[str, str]]:
    """What changes, old and new; of a new entry what is not by default."""
    if change.before is None and change.after is not None:
        default = Attributes()
        names = [n for n in _NAMES if getattr(change.after, n) != getattr(default, n)]
        return [(field_name(name), _shown(getattr(change.after, name))) for name in names]
    if change.before is None or change.after is None:
        return []
    rows = []
    for name in change.fields:
        if name == "expires_at":
            rows.append((field_name(name), f"{change.expired_at} → never"))
            continue
        old, new = getattr(change.before, name), getattr(change.after, name)
        rows.append((field_name(name), f"{_shown(old)} → {_shown(new)}"))
    return rows


_NAMES = tuple(Attributes.__slots__)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value} s" if value else "the server's default"
    return f'"{value}"'


def _reasons(change: Change) -> list[tuple[str, str]]:
    """Object, claim, entry: who asks, who else does, and what is in the way."""
    rows = []
    if change.claims:
        rows.append(("because", f"{_claim(change.claims[0])} asks for it"))
    if len(change.claims) > 1:
        others = _some(map(_claim, change.claims[1:]))
        rows.append(("also", f"{others} ask for the same, and do not count: they are younger"))
    if change.recorded_for and not change.claims:
        rows.append(("was for", _some(map(str, change.recorded_for))))
    if change.pending:
        names = listed(change.pending)
        rows.append(("waits", f"without the bundle of {names} it is set without that federation"))
    rows += _obstacles(change)
    return rows


def _obstacles(change: Change) -> list[tuple[str, str]]:
    why = change.why
    match change.action:
        case Action.BLOCKED:
            return [("in the way", why), ("adoption", _adoption(change))]
        case Action.ADOPT:
            return [("from", f"entry {change.entry_id!r}, which somebody else made")]
        case Action.DELETE | Action.UPDATE | Action.HELD | Action.REFUSED | Action.FAILED:
            return [("why", why)]
    return []


def _adoption(change: Change) -> str:
    """What adoption would do to an entry that is in the way."""
    if is_a_registrars(change.entry_id):
        return "never: another spire-registrar made it, and may manage it"
    fields = listed(f"{name} ({text})" for name, text in _fields(change))
    changes = f"change {fields}" if fields else "change nothing of it"
    return f"with adoption_policy = adopt it would become ours, and that would {changes}"


def _claim(claim: Claim) -> str:
    """``Pod default/web by ClusterSPIFFEID all``."""
    if claim.is_own:
        return "the registrar itself, for the alias of the cluster's agents,"
    if claim.template is None or claim.is_made:
        return str(claim.holder)
    return f"{claim.source}, by {claim.template},"


_MOST_NAMED = 5


def _some(words: Iterable[str]) -> str:
    found = list(words)
    if len(found) <= _MOST_NAMED:
        return listed(found)
    return f"{', '.join(found[:_MOST_NAMED])} and {len(found) - _MOST_NAMED} others"


def _relationship(change: FederationChange, page: Page) -> None:
    sign, colour = _SIGNS[change.action]
    title = f"{sign} {change.action.value:8} {change.what} {change.trust_domain}"
    page.line(f"  {page.coloured(title, colour)}")
    if change.before != change.after:
        parts = [part for part in (change.before, change.after) if part]
        page.line(f"{_INDENT}endpoint  {printable(' → '.join(parts))}")
    if change.gives_bundle:
        page.line(f"{_INDENT}bundle    the server is given the one of the object")
    if change.objects:
        page.line(f"{_INDENT}because   {_object(change.objects[0])} asks for it")
    page.line()


def _object(object_: Claimant) -> str:
    return printable(str(object_))


def _tail(outlook: Outlook, page: Page) -> None:
    """What is wrong with objects, what could not be read, and what would be waited for."""
    if outlook.findings:
        number = counted(len(outlook.findings), "problem")
        page.line(page.coloured(f"{number} of objects:", "bold"))
        for finding in outlook.findings:
            first = f"  {page.coloured('!', 'red')} {_object(finding.object)}: "
            text = printable(f"{finding.reason}: {finding.message}")
            page.paragraph(text, first=first, indent=_INDENT)
        page.line()
    show_unread(outlook.unread, page)
    if outlook.held_by:
        page.paragraph(
            f"It would wait: {printable(outlook.held_by)}.", first=page.coloured("! ", "red")
        )
        page.line()
    page.line(_verdict(outlook.counts.entries, outlook.counts.relationships))


def show_unread(unread: Sequence[Unread], page: Page) -> None:
    """What could not be read, and what helps."""
    if not unread:
        return
    page.line(page.coloured("Not read:", "bold"))
    for u in unread:
        first = f"  {page.coloured('!', 'yellow')} {u.resource}: " if u.resource else "  ! "
        text = f"{printable(u.why)}. Remedy: {u.remedy}"
        page.paragraph(text, first=first, indent=_INDENT)
    page.line()


def _verdict(*numbers: Mapping[Action, int]) -> str:
    found: Counter[Action] = Counter()
    for each in numbers:
        found.update(each)
    changes = sum(number for action, number in found.items() if action.is_change)
    obstacles = sum(number for action, number in found.items() if action.is_obstacle)
    left = f" {counted(obstacles, 'thing')} would not be as asked for." if obstacles else ""
    if not changes:
        return f"Nothing would change on the SPIRE server.{left}"
    return (
        f"{counted(changes, 'thing')} would change on the SPIRE server.{left} Nothing was written."
    )
