"""Which entries on the SPIRE server are ours to change.

An entry is ours when its ID begins with our prefix and a dot, or when one of
our SpireEntries records its ID. Nothing else is ever changed or deleted.
"""

import re
from dataclasses import dataclass

from registrar.claims.naming import MAX_NAME_LENGTH
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey

_ENTRY_ID_LENGTH = 255
_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_ANY = re.compile(r"[A-Za-z0-9._-]+?\.([a-z0-9-]+\.)?[a-z2-7]{26}")
_NAME = re.compile(r"([a-z0-9-]+\.)?[a-z2-7]{26}")
"""The shape of a SpireEntry's name: with it, the prefix ``a`` does not own ``a.b.<name>``."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def default_prefix(cluster: str, kube_system_uid: str, class_name: str) -> str:
    """``<cluster>-<first 8 hex of the kube-system namespace's uid>[-<class name>]``.

    Characters that an entry ID may not hold become dashes.
    """
    return _joined(cluster, kube_system_uid.replace("-", "")[:8], class_name)


def workload_prefix(cluster: str, class_name: str) -> str:
    """``<cluster>-workload[-<class name>]``: the default where Namespaces may not be read.

    The roles of k8s-workload-registrar do not allow it. Its node entries need a
    cluster name of its own for each cluster of a SPIRE server anyway.
    """
    return _joined(cluster, "workload", class_name)


def _joined(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(part for part in parts if part))


def check_prefix(value: str) -> str:
    """A prefix that somebody configured. Raises InvalidField."""
    limit = _ENTRY_ID_LENGTH - MAX_NAME_LENGTH - 1
    if not _ALLOWED.fullmatch(value) or value.endswith(".") or len(value) > limit:
        raise InvalidField(
            "entry_id_prefix",
            value,
            f"use at most {limit} letters, digits, '.', '-' and '_', not ending with a dot",
        )
    return value


def entry_id(prefix: str, name: str) -> str:
    """The entry ID of the SpireEntry ``name``."""
    return f"{prefix}.{name}"


def is_a_registrars(id_: str) -> bool:
    """Whether the entry ID is one that some registrar of this kind gives, ours or another."""
    return bool(_ANY.fullmatch(id_))


def is_ours(prefix: str, id_: str) -> bool:
    """Whether the entry ID is one that we give: our prefix, a dot, the name of a SpireEntry."""
    if not id_.startswith(prefix + "."):
        return False
    return bool(_NAME.fullmatch(id_, len(prefix) + 1))


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which entry IDs are ours, by our prefix and what a migration hands over to us.

    ``with_uuids``: under our prefix the controller manager made entries
    before us, named by a UUID. ``cleanup``: another prefix whose entries go
    unless somebody claims them; the empty text means IDs without a prefix.
    """

    prefix: str
    with_uuids: bool = False
    cleanup: str | None = None

    def __call__(self, id_: str) -> bool:
        """Whether the entry is ours to change."""
        if is_ours(self.prefix, id_):
            return True
        if self.with_uuids and id_.startswith(self.prefix + "."):
            return bool(_UUID.fullmatch(id_, len(self.prefix) + 1))
        if self.cleanup is None:
            return False
        if not self.cleanup:
            return "." not in id_
        return id_.startswith(self.cleanup + ".") and not is_a_registrars(id_)


def is_join_token(key: EntryKey) -> bool:
    """Whether the entry gives an alias to an agent that joins by token: SPIRE's own business."""
    return any(
        selector.type == "spiffe_id" and "/spire/agent/join_token/" in selector.value
        for selector in key.selectors
    )


def name_in(prefix: str, id_: str) -> str:
    """The name of the SpireEntry that an entry ID of ours belongs to; empty for any other."""
    return id_.removeprefix(prefix + ".") if is_ours(prefix, id_) else ""
