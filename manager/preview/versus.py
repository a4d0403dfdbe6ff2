"""Two previews on the same servers: how what one configuration leaves differs from the other's."""

from dataclasses import replace

from manager.preview.model import Action, Change, Counts, FederationChange, Outlook, counted
from manager.preview.rehearsal import Preview
from registrar.identity.entry import Entry, EntryKey, differing


def versus(old: Preview, new: Preview) -> Outlook:
    """What the new configuration would leave otherwise than the old one: the old comes first.

    Each entry is as the SPIRE server would hold it, whoever made it; what is in the way of the new
    configuration is told too.
    """
    before, after = _held(old), _held(new)
    changes = [
        _change(key, before.get(key), after.get(key), old, new)
        for key in sorted({*before, *after}, key=lambda k: (k.spiffe_id, str(k)))
    ]
    obstacles = {c.key: c for c in new.outlook.entries if c.action.is_obstacle}
    known = {c.key for c in old.outlook.entries if c.action.is_obstacle}
    entries = [
        obstacles[change.key] if change.key in obstacles and change.key not in known else change
        for change in changes
    ]
    seen = {change.key for change in entries}
    entries += [c for key, c in obstacles.items() if key not in known and key not in seen]
    relationships = _relationships(old, new)
    outlook = new.outlook
    earlier = set(old.outlook.findings)
    return replace(
        outlook,
        entries=entries,
        relationships=relationships,
        findings=[finding for finding in outlook.findings if finding not in earlier],
        counts=Counts(
            entries=counted(entries),
            relationships=counted(relationships),
            objects=outlook.counts.objects,
            own=outlook.counts.own,
            foreign=outlook.counts.foreign,
        ),
    )


def _held(preview: Preview) -> dict[EntryKey, Entry]:
    """What the SPIRE server would hold, by key."""
    after = preview.mirror.own.values()
    ours = {entry.id for entry in preview.before.own.values()}
    others = (e for e in preview.before.foreign.values() if e.id not in ours)
    return {**{entry.key: entry for entry in others}, **{entry.key: entry for entry in after}}


def _change(
    key: EntryKey, was: Entry | None, will: Entry | None, old: Preview, new: Preview
) -> Change:
    fields = [] if was is None or will is None else differing(will.attributes, was.attributes)
    is_renamed = was is not None and will is not None and was.id != will.id
    if was is None:
        action = Action.CREATE
    elif will is None:
        action = Action.DELETE
    else:
        action = Action.UPDATE if fields or is_renamed else Action.KEEP
    claims = tuple(new.shared.index.claims(key))
    why = ""
    if action is Action.DELETE:
        asked = [str(claim.holder) for claim in old.shared.index.claims(key)]
        why = f"{', '.join(asked) or 'nobody'} asks for it by the old configuration alone"
    elif is_renamed and was is not None:
        why = f"by the old configuration it is entry {was.id!r}"
    shown = will or was
    return Change(
        action=action,
        key=key,
        entry_id="" if shown is None else shown.id,
        before=None if was is None else was.attributes,
        after=None if will is None else will.attributes,
        fields=tuple(sorted(fields)),
        claims=claims,
        pending=new.shared.outcomes.get(key).pending,
        why=why,
    )


def _relationships(old: Preview, new: Preview) -> list[FederationChange]:
    was = {(c.what, c.trust_domain): c for c in old.outlook.relationships}
    found = []
    for change in new.outlook.relationships:
        before = was.pop((change.what, change.trust_domain), None)
        known = change.before if before is None else before.after
        if known == change.after:
            action = Action.KEEP
        elif not known:
            action = Action.CREATE
        else:
            action = Action.UPDATE if change.after else Action.DELETE
        found.append(replace(change, action=action, before=known))
    for left in was.values():
        # Nothing here asks what the server holds, so it stays.
        action = Action.KEEP if left.before == left.after else Action.DELETE
        found.append(replace(left, action=action, before=left.after, after=left.before))
    return found
