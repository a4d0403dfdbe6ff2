"""Which entries on the SPIRE server are ours to change.

An entry is ours when its ID begins with our prefix and a dot; when an earlier version gave
it and one of our SpireEntries records it; or when it was adopted because something claims
its very key. Nothing else is ever changed or deleted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from registrar.claims.naming import HASH_LENGTH, MAX_NAME_LENGTH, short_hash
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.settings.model import MODES, ModeName

PREFIX_HELD = "PrefixHeld"
"""Reason of the Event of a registrar whose prefix another one holds."""

_ENTRY_ID_LENGTH = 255
MAX_PREFIX_LENGTH = _ENTRY_ID_LENGTH - MAX_NAME_LENGTH - 1
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_ANY = re.compile(r"[A-Za-z0-9._-]+?\.([a-z0-9-]+\.)?[a-z2-7]{26}")
_NAME = re.compile(r"([a-z0-9-]+\.)?[a-z2-7]{26}")
"""The shape of a SpireEntry's name: with it, the prefix ``a`` does not own ``a.b.<name>``.

The first version gave names without a readable part, which are owned still.
"""

_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9-]")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Prefixes(NamedTuple):
    """``current`` is what the IDs of our entries begin with.

    ``former`` are those that earlier versions gave, the youngest first. They did not name
    the mode, and those of the first version not every cluster or class either: other
    registrars may have had the same. See ``Ownership``.
    """

    current: str
    former: tuple[str, ...] = ()


def default_prefixes(
    cluster: str, kube_system_uid: str, mode: ModeName, class_name: str
) -> Prefixes:
    """``<cluster>-<first 8 hex of kube-system's uid>-<mode>[-<class name>-<hash>]``.

    Characters that an entry ID may not hold become dashes, and then there is a hash too.
    """
    return _prefixes(cluster, kube_system_uid.replace("-", "")[:8], mode, class_name)


def workload_prefixes(cluster: str, mode: ModeName, class_name: str) -> Prefixes:
    """``<cluster>-workload-<mode>[-<class name>-<hash>]``: where Namespaces may not be read.

    The roles of k8s-workload-registrar do not allow it. Its node entries need a
    cluster name of its own for each cluster of a SPIRE server anyway.
    """
    return _prefixes(cluster, "workload", mode, class_name)


def static_prefixes(cluster: str, class_name: str) -> Prefixes:
    """``<cluster>-static[-<class name>-<hash>]``: the default without a Kubernetes cluster.

    Raises InvalidField for a cluster's name that an entry ID may not hold.
    """
    plain = check_prefix(f"{cluster}-static")
    if not class_name:
        return Prefixes(plain)
    return Prefixes(_joined(cluster, "static", class_name), (plain,))


def _prefixes(cluster: str, middle: str, mode: ModeName, class_name: str) -> Prefixes:
    """The prefix of this version, and those of the two before it."""
    # A class that is named as a mode: what the first version gave it is that mode's own now.
    taken = {_joined(cluster, middle, other, "") for other in MODES}
    former = (
        _joined(cluster, middle, class_name),
        _readable(cluster, middle, class_name),
    )
    return Prefixes(
        _joined(cluster, middle, mode, class_name),
        tuple(dict.fromkeys(prefix for prefix in former if prefix not in taken)),
    )


def _joined(*parts: str) -> str:
    """The parts by dashes, the class name last; a hash tells apart what would look the same."""
    plain = "-".join(part for part in parts if part)
    readable = _readable(*parts)
    if readable == plain and not parts[-1] and len(plain) <= MAX_PREFIX_LENGTH:
        return plain
    return f"{readable[: MAX_PREFIX_LENGTH - 1 - HASH_LENGTH]}-{short_hash(*parts)}"


def _readable(*parts: str) -> str:
    return _NOT_ALLOWED.sub("-", "-".join(part for part in parts if part))


def check_prefix(value: str) -> str:
    """A prefix that somebody configured. Raises InvalidField."""
    if not _ALLOWED.fullmatch(value) or value.endswith(".") or len(value) > MAX_PREFIX_LENGTH:
        raise InvalidField(
            "entry_id_prefix",
            value,
            f"use at most {MAX_PREFIX_LENGTH} letters, digits, '.', '-' and '_', not ending with "
            "a dot",
        )
    return value


def owner_lease(prefix: str) -> str:
    """The name of the Lease that says who owns a prefix; each prefix has one of its own.

    The name of an object must be small letters, digits, dashes and dots; where a prefix is
    written otherwise, a hash tells it from others that would look the same.
    """
    plain = f"spire-registrar-{prefix}"
    if _OBJECT_NAME.fullmatch(plain):
        return plain
    readable = _NOT_IN_A_NAME.sub("-", plain.lower()).strip("-")
    return f"{readable}-{short_hash(prefix)}"


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
    ``recorded`` are IDs under our ``former`` prefixes that records of ours name, and
    ``form`` tells of keys that only we make. All others under these prefixes are
    another's until somebody here claims their key.
    """

    prefix: str
    with_uuids: bool = False
    cleanup: str | None = None
    recorded: frozenset[str] = frozenset()
    former: tuple[str, ...] = ()
    form: Callable[[EntryKey], bool] = lambda _: False

    def __call__(self, id_: str) -> bool:
        """Whether the entry is ours to change."""
        if is_ours(self.prefix, id_) or id_ in self.recorded:
            return True
        if self.with_uuids and id_.startswith(self.prefix + "."):
            return bool(_UUID.fullmatch(id_, len(self.prefix) + 1))
        if self.cleanup is None:
            return False
        if not self.cleanup:
            return "." not in id_
        # What another prefix that only begins with this one marks is not its own.
        own = id_.startswith(self.cleanup + ".") and "." not in id_[len(self.cleanup) + 1 :]
        return own and not is_a_registrars(id_)

    def is_former(self, id_: str) -> bool:
        """Whether an earlier version gave that ID, of this registrar or another."""
        return any(is_ours(prefix, id_) for prefix in self.former)


def is_join_token(key: EntryKey) -> bool:
    """Whether the entry gives an alias to an agent that joins by token: SPIRE's own business."""
    return any(
        selector.type == "spiffe_id" and "/spire/agent/join_token/" in selector.value
        for selector in key.selectors
    )
