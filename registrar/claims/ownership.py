"""Which entries on the SPIRE server are ours to change.

An entry is ours when its ID begins with our prefix and a dot, or when one of
our SpireEntries records its ID. Nothing else is ever changed or deleted.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from registrar.claims.naming import MAX_NAME_LENGTH, xxh3_128
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey

_ENTRY_ID_LENGTH = 255
MAX_PREFIX_LENGTH = _ENTRY_ID_LENGTH - MAX_NAME_LENGTH - 1
_HASH_LENGTH = 8
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_ANY = re.compile(r"[A-Za-z0-9._-]+?\.([a-z0-9-]+\.)?[a-z2-7]{26}")
_NAME = re.compile(r"([a-z0-9-]+\.)?[a-z2-7]{26}")
"""The shape of a SpireEntry's name: with it, the prefix ``a`` does not own ``a.b.<name>``.

The first version gave names without a readable part, which are owned still.
"""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Prefixes(NamedTuple):
    """``current`` is what the IDs of our entries begin with.

    ``former`` is what the first version gave them, empty where that is the same. Different
    clusters and classes could get the same one.
    """

    current: str
    former: str = ""


def default_prefixes(cluster: str, kube_system_uid: str, class_name: str) -> Prefixes:
    """``<cluster>-<first 8 hex of the kube-system namespace's uid>[-<class name>-<hash>]``.

    Characters that an entry ID may not hold become dashes, and then there is a hash too.
    """
    return _prefixes(cluster, kube_system_uid.replace("-", "")[:8], class_name)


def workload_prefixes(cluster: str, class_name: str) -> Prefixes:
    """``<cluster>-workload[-<class name>-<hash>]``: the default where Namespaces may not be read.

    The roles of k8s-workload-registrar do not allow it. Its node entries need a
    cluster name of its own for each cluster of a SPIRE server anyway.
    """
    return _prefixes(cluster, "workload", class_name)


def static_prefixes(cluster: str, class_name: str) -> Prefixes:
    """``<cluster>-static[-<class name>-<hash>]``: the default without a Kubernetes cluster.

    Raises InvalidField for a cluster's name that an entry ID may not hold.
    """
    plain = f"{cluster}-static"
    if not class_name:
        return Prefixes(check_prefix(plain))
    return Prefixes(_prefixes(cluster, "static", class_name).current, plain)


def _prefixes(cluster: str, middle: str, class_name: str) -> Prefixes:
    """The parts joined by dashes; a hash tells apart what would look the same then."""
    plain = "-".join(part for part in (cluster, middle, class_name) if part)
    readable = _NOT_ALLOWED.sub("-", plain)
    if readable == plain and not class_name and len(plain) <= MAX_PREFIX_LENGTH:
        return Prefixes(plain)
    encoded = [part.encode() for part in (cluster, middle, class_name)]
    data = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    end = xxh3_128(data).hex()[:_HASH_LENGTH]
    return Prefixes(f"{readable[: MAX_PREFIX_LENGTH - 1 - len(end)]}-{end}", readable)


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
        # What another prefix that only begins with this one marks is not its own.
        own = id_.startswith(self.cleanup + ".") and "." not in id_[len(self.cleanup) + 1 :]
        return own and not is_a_registrars(id_)


def is_join_token(key: EntryKey) -> bool:
    """Whether the entry gives an alias to an agent that joins by token: SPIRE's own business."""
    return any(
        selector.type == "spiffe_id" and "/spire/agent/join_token/" in selector.value
        for selector in key.selectors
    )


def name_in(prefix: str, id_: str) -> str:
    """The name of the SpireEntry that an entry ID of ours belongs to; empty for any other."""
    return id_.removeprefix(prefix + ".") if is_ours(prefix, id_) else ""
