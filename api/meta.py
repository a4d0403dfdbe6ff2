"""The metadata that every Kubernetes object carries, as far as we read or write it."""

from typing import NamedTuple

import msgspec

from .errors import printable


class ObjectKey(NamedTuple):
    """Identifies an object within its kind; ``namespace`` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """``namespace/name``, or the name alone for a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Base of everything in JSON: frozen, camelCase on the wire, defaults left out.

    ``gc=False`` keeps tens of thousands of cached objects out of the cyclic
    garbage collector; none of these types can form a cycle.
    """


class OwnerReference(Wire, frozen=True, kw_only=True):
    """An owner whose deletion lets the garbage collector delete the object."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Wire, frozen=True, kw_only=True):
    """The part of ``metadata`` that we use; anything else is skipped while decoding."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def key(self) -> ObjectKey:
        """The object's key within its kind."""
        return ObjectKey(self.namespace, self.name)


class KubeObject(Wire, frozen=True, kw_only=True):
    """Any Kubernetes object: its metadata only. Each kind extends it with what it uses."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> ObjectKey:
        """The object's key within its kind."""
        return self.metadata.key


class Condition(Wire, frozen=True, kw_only=True):
    """One entry of ``status.conditions``, after the Kubernetes API conventions."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


def set_condition(conditions: tuple[Condition, ...], condition: Condition) -> tuple[Condition, ...]:
    """``conditions`` with ``condition`` in the place of the one of its type.

    ``lastTransitionTime`` moves only when the status does, as the API
    conventions ask; the order of types stays as it was. The message may quote what
    somebody wrote, so it is made printable.
    """
    condition = msgspec.structs.replace(condition, message=printable(condition.message))
    result = []
    found = False
    for old in conditions:
        if old.type != condition.type:
            result.append(old)
            continue
        found = True
        if old.status == condition.status:
            condition = msgspec.structs.replace(
                condition, last_transition_time=old.last_transition_time
            )
        result.append(condition)
    if not found:
        result.append(condition)
    return tuple(result)


def find_condition(conditions: tuple[Condition, ...], type_: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((c for c in conditions if c.type == type_), None)
