"""Masks: messages of booleans that name fields to read or to write."""

from typing import TypeVar

from google.protobuf.message import Message

from api.proto import types_pb2

M = TypeVar("M", bound=Message)

ENTRY_FIELDS = frozenset(field.name for field in types_pb2.EntryMask.DESCRIPTOR.fields)
AGENT_FIELDS = frozenset(field.name for field in types_pb2.AgentMask.DESCRIPTOR.fields)
BUNDLE_FIELDS = frozenset(field.name for field in types_pb2.BundleMask.DESCRIPTOR.fields)
RELATIONSHIP_FIELDS = frozenset(
    field.name for field in types_pb2.FederationRelationshipMask.DESCRIPTOR.fields
)


def fields_of(mask: Message | None, every: frozenset[str]) -> frozenset[str]:
    """The fields that a mask names; without a mask, every one."""
    if mask is None:
        return every
    return frozenset(field.name for field, _ in mask.ListFields())


def masked(message: M, shown: frozenset[str], every: frozenset[str]) -> M:
    """A copy of the message without the fields that are not to be shown."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name in every - shown:
        copy.ClearField(name)
    return copy
