"""Which entries on the SPIRE server are ours to change.

An entry is ours when its ID begins with our prefix and a dot, or when one of
our SpireEntries records its ID. Nothing else is ever changed or deleted.
"""

import re

from registrar.claims.naming import MAX_NAME_LENGTH
from registrar.errors import InvalidField

_ENTRY_ID_LENGTH = 255
_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_ANY = re.compile(r"[A-Za-z0-9._-]+?\.([a-z0-9-]+\.)?[a-z2-7]{26}")
_NAME = re.compile(r"([a-z0-9-]+\.)?[a-z2-7]{26}")
"""The shape of a SpireEntry's name: with it, the prefix ``a`` does not own ``a.b.<name>``."""


def default_prefix(cluster: str, kube_system_uid: str, class_name: str) -> str:
    """``<cluster>-<first 8 hex of the kube-system namespace's uid>[-<class name>]``.

    Characters that an entry ID may not hold become dashes.
    """
    parts = [cluster, kube_system_uid.replace("-", "")[:8]]
    if class_name:
        parts.append(class_name)
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(parts))


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


def name_in(prefix: str, id_: str) -> str:
    """The name of the SpireEntry that an entry ID of ours belongs to; empty for any other."""
    return id_.removeprefix(prefix + ".") if is_ours(prefix, id_) else ""
