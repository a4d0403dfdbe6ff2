"""Which object an entry on the SPIRE server may be for, as far as the entry itself tells. Pure."""

from collections.abc import Iterator
from typing import TypeAlias

from api.kinds import NODE, POD, SPIFFE_ID
from registrar.claims.claim import Claimant
from registrar.identity.entry import EntryKey

Sign: TypeAlias = Claimant | str
"""What an entry says of whose it is: the Pod or Node itself, or a Pod's uid."""

_POD_UID = "pod-uid:"
_NODE_UID = "agent_node_uid:"
_NAMESPACE = "ns:"


def pod_uid_of(key: EntryKey) -> str | None:
    """The uid of the Pod that an entry selects, or None."""
    for kind, value in key.selectors:
        if kind == "k8s" and value.startswith(_POD_UID):
            return value.removeprefix(_POD_UID)
    return None


def owner_uid_of(key: EntryKey) -> str | None:
    """The uid of the Pod or Node that an entry selects, or None."""
    for kind, value in key.selectors:
        if kind == "k8s_psat" and value.startswith(_NODE_UID):
            return value.removeprefix(_NODE_UID)
    return pod_uid_of(key)


ANYTHING = ""
"""The scope of an object that may have asked for any entry."""


def scope_of(source: Claimant, *, own_namespace: str) -> str | None:
    """What an object whose spec cannot be read may have asked for.

    A SpiffeID selects workloads of its own namespace, which is its scope, but for those in the
    registrar's (``own_namespace``). None: an entry for a Pod or Node says so itself. All other
    kinds may ask for ANYTHING.
    """
    if source.kind in {POD.kind, NODE.kind}:
        return None
    if source.kind == SPIFFE_ID.kind and source.namespace != own_namespace:
        return source.namespace
    return ANYTHING


def scopes_of(key: EntryKey) -> Iterator[str]:
    """The scopes of the objects that may have asked for an entry."""
    yield ANYTHING
    for kind, value in key.selectors:
        if kind == "k8s" and value.startswith(_NAMESPACE):
            yield value.removeprefix(_NAMESPACE)
