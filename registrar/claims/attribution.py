"""Which object an entry on the SPIRE server may be for, as far as the entry itself tells. Pure."""

from typing import TypeAlias

from api.kinds import NODE, POD, SPIFFE_ID
from registrar.claims.claim import Source
from registrar.identity.entry import EntryKey
from registrar.identity.selectors import Selector

Sign: TypeAlias = Source | str
"""What an entry says of whose it is: the Pod or Node itself, or a Pod's uid."""

_POD_UID = "pod-uid:"


def pod_uid_of(key: EntryKey) -> str | None:
    """The uid of the Pod that an entry selects, or None."""
    for kind, value in key.selectors:
        if kind == "k8s" and value.startswith(_POD_UID):
            return value.removeprefix(_POD_UID)
    return None


def may_be_of(source: Source, key: EntryKey, *, own_namespace: str) -> bool:
    """Whether an object whose spec cannot be read may have asked for an entry.

    A SpiffeID selects workloads of its own namespace, but for those in the registrar's
    (``own_namespace``). An entry for a Pod or Node says so itself. All other kinds may ask for
    anything.
    """
    if source.kind in {POD.kind, NODE.kind}:
        return False
    if source.kind == SPIFFE_ID.kind and source.namespace != own_namespace:
        return Selector("k8s", f"ns:{source.namespace}") in key.selectors
    return True
