"""Which registrar a SpireEntry belongs to, where several work on one API server.

Each mode and class is an instance of its own, and so is each prefix that
somebody configured. The records of earlier versions name only the class: whose
they are is told by the kinds of the objects that they were made for.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from api.kinds import (
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    NODE,
    POD,
    SPIFFE_ID,
)
from api.spiffeid.v1beta1.spireentry import INSTANCE_LABEL, SpireEntry
from registrar.claims.claim import REGISTRAR
from registrar.claims.naming import HASH_LENGTH, short_hash
from registrar.claims.ownership import is_ours
from registrar.claims.podentry import PodEntries, pod_of_key
from registrar.claims.record import key_of
from registrar.identity.entry import EntryKey
from registrar.settings.model import ModeName

_LABEL_LENGTH = 63
_NOT_AT_THE_END = re.compile(r"[^A-Za-z0-9]+$")

_LAYERED = frozenset({CLUSTER_SPIFFE_ID.kind})
_TEMPLATES = frozenset({CLUSTER_SPIFFEID.kind, CLUSTER_STATIC_ENTRY.kind})
_SPIFFE_IDS = frozenset({SPIFFE_ID.kind})
_OWN = frozenset({REGISTRAR})
_ALL = _LAYERED | _TEMPLATES | _SPIFFE_IDS | _OWN | {POD.kind, NODE.kind}

Made = Callable[[SpireEntry], bool]
"""Whether a record that names no mode was made by a certain mode."""

Form = Callable[[EntryKey], bool]
"""Whether only a certain mode makes entries of that form."""


class Instance(NamedTuple):
    """``prefix`` is the configured one, empty where it is derived."""

    mode: ModeName
    class_name: str = ""
    prefix: str = ""

    @property
    def label(self) -> str:
        """The value of the records' label; a hash tells apart what is shortened or not shown.

        No class of an earlier version is likely to be called so.
        """
        readable = f"spire-registrar.{self.mode}"
        if not self.class_name and not self.prefix:
            return readable
        if self.class_name:
            readable = f"{readable}.{self.class_name}"
        readable = _NOT_AT_THE_END.sub("", readable[: _LABEL_LENGTH - 1 - HASH_LENGTH])
        return f"{readable}-{short_hash(*self)}"


@dataclass(frozen=True, slots=True)
class Records:
    """Tells whose a record is. ``former`` is the label of earlier versions: the class name."""

    label: str
    former: str
    made: Made

    def is_own(self, obj: SpireEntry) -> bool:
        """Whether this registrar made the record, in this version or an earlier one."""
        return self.is_current(obj) or self.is_former(obj)

    def is_current(self, obj: SpireEntry) -> bool:
        """Whether the record says that it is this registrar's."""
        return label_of(obj) == self.label

    def is_former(self, obj: SpireEntry) -> bool:
        """Whether an earlier version of this registrar made it."""
        return label_of(obj) == self.former and self.made(obj)

    def is_anothers(self, obj: SpireEntry) -> bool:
        """Whether another registrar made it, as far as can be told.

        What has no label and names no object that a registrar makes records for, somebody
        wrote by hand: that is any registrar's to remove.
        """
        return not self.is_own(obj) and (bool(label_of(obj)) or bool(kinds_of(obj)))


def recorded_ids(
    objects: Iterable[SpireEntry], records: Records, former: Collection[str]
) -> frozenset[str]:
    """The entry IDs under former prefixes that records of ours name: see ``Ownership``."""
    return frozenset(
        obj.status.entry_id
        for obj in objects
        if any(is_ours(prefix, obj.status.entry_id) for prefix in former) and records.is_own(obj)
    )


def label_of(obj: SpireEntry) -> str:
    """The instance that the record names, empty for none."""
    return obj.metadata.labels.get(INSTANCE_LABEL, "")


def kinds_of(obj: SpireEntry) -> frozenset[str]:
    """The kinds of the objects that a record was made for, of those that can be."""
    named = {owner.kind for owner in obj.metadata.owner_references}
    named |= {holder.kind for holder in obj.spec.holders}
    return frozenset(named & _ALL)


def made_for_cluster_spiffe_ids(alias: EntryKey) -> Made:
    """The layered mode; ``alias`` is the key of the registrar's own entry."""

    def made(obj: SpireEntry) -> bool:
        kinds = kinds_of(obj)
        return kinds == _LAYERED or (kinds == _OWN and key_of(obj) == alias)

    return made


def made_for_templates(obj: SpireEntry) -> bool:
    """The controller manager's mode. The holder is the Pod, the owner its template."""
    kinds = kinds_of(obj)
    return bool(kinds & _TEMPLATES) and kinds <= _TEMPLATES | {POD.kind}


def made_for_spiffe_ids(obj: SpireEntry) -> bool:
    """The crd mode."""
    return kinds_of(obj) == _SPIFFE_IDS


def made_for_pods(form: Form) -> Made:
    """The reconcile or webhook mode, whose entries have the form."""

    def made(obj: SpireEntry) -> bool:
        key, kinds = key_of(obj), kinds_of(obj)
        is_of_kind = bool(kinds) and kinds <= {POD.kind, NODE.kind} | _OWN
        return is_of_kind and key is not None and form(key)

    return made


def form_of_pods(rules: PodEntries, alias: EntryKey | None) -> Form:
    """The form of the reconcile or webhook mode, which no other mode gives its entries.

    ``alias`` is the key of the registrar's own entry, None where it has none.
    """
    root = f"spiffe://{rules.trust_domain}{rules.root}"

    def has_form(key: EntryKey) -> bool:
        if key == alias:
            return True
        if pod_of_key(key, rules) is not None:
            return (key.parent_id != root) == rules.per_node
        is_a_nodes = rules.per_node and key.spiffe_id.startswith(f"{root}/")
        return is_a_nodes and key.parent_id == f"spiffe://{rules.trust_domain}/spire/server"

    return has_form


def no_form(_: EntryKey) -> bool:
    """Whoever writes an object of the mode may choose any parent and selectors."""
    return False
