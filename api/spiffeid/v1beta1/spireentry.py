"""SpireEntry: the record of one entry on the SPIRE server, written by the registrar alone.

It has no status subresource: the kind is the registrar's own, and one request
records what was asked for, who asks for it and what SPIRE said.
"""

from typing import Annotated

from msgspec import Meta

from api.meta import Condition, KubeObject, ObjectMeta, Wire

INSTANCE_LABEL = "spiffeid.spiffe.io/instance"
"""Which registrar of several the SpireEntry belongs to: its mode, and its class if it has one.

Earlier versions wrote the class name alone, and nothing without one."""

CONFIRM_DELETIONS_ANNOTATION = "spiffeid.spiffe.io/confirm-deletions"
"""On the registrar's own SpireEntry: the number of withheld deletions that a person agrees to."""


class Holder(Wire, frozen=True, kw_only=True):
    """An object that claims the entry and that an ownerReference cannot name."""

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


class SpireEntrySpec(Wire, frozen=True, kw_only=True):
    """The entry as it should be on the SPIRE server."""

    spiffe_id: Annotated[str, Meta(description="SPIFFE ID of the entry.")]
    parent_id: Annotated[str, Meta(description="SPIFFE ID of the agent or alias above it.")]
    selectors: Annotated[
        tuple[str, ...], Meta(description="Selectors as type:value, sorted; all must match.")
    ]
    ttl: Annotated[int, Meta(description="Lifetime of X.509-SVIDs in seconds.")] = 0
    jwt_ttl: Annotated[int, Meta(description="Lifetime of JWT-SVIDs in seconds.")] = 0
    federates_with: Annotated[
        tuple[str, ...], Meta(description="Trust domains that the entry federates with.")
    ] = ()
    dns_names: Annotated[tuple[str, ...], Meta(description="DNS names in their order.")] = ()
    admin: Annotated[bool, Meta(description="Whether it may call the administrative API.")] = False
    downstream: Annotated[bool, Meta(description="Whether it is a downstream SPIRE server.")] = (
        False
    )
    hint: Annotated[str, Meta(description="Hint for workloads with several identities.")] = ""
    store_svid: Annotated[bool, Meta(description="Whether agents store the SVID.")] = False
    holders: Annotated[
        tuple[Holder, ...],
        Meta(description="Objects that claim the entry and cannot be its ownerReferences."),
    ] = ()


class SpireEntryStatus(Wire, frozen=True, kw_only=True):
    """What the SPIRE server said."""

    entry_id: Annotated[str, Meta(description="ID of the entry on the SPIRE server.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            description="Ready: whether the SPIRE server holds the entry as the spec says.",
            extra_json_schema={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = ()


class SpireEntry(KubeObject, frozen=True, kw_only=True):
    """The record of one entry on the SPIRE server. Not meant to be written by people.

    One that no ClusterSpiffeId, Pod or other source claims gives nobody an
    identity: the registrar removes it.
    """

    metadata: ObjectMeta = ObjectMeta()
    spec: SpireEntrySpec
    status: SpireEntryStatus = SpireEntryStatus()
