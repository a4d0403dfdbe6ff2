"""Pods and Nodes with all that a template may ask of them.

Everywhere else the slices of ``core.py`` do. A specification stays JSON here:
a template reads a field or two of hundreds, and tens of thousands of Pods are
kept. ``spec`` is JSON as it came, or packed, whichever the reflector was told.
"""

import msgspec

from .kinds import Kind
from .meta import KubeObject, ObjectMeta


class WholeMeta(ObjectMeta, frozen=True, kw_only=True):
    """All of ``metadata`` but ``managedFields``, which says nothing of a workload."""

    deletion_grace_period_seconds: int | None = None
    finalizers: tuple[str, ...] = ()
    self_link: str = ""


class WholePod(KubeObject, frozen=True, kw_only=True):
    """A Pod with its whole specification; ``node_name`` is taken out of it when it is packed."""

    metadata: WholeMeta = WholeMeta()
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    node_name: str = ""


class WholeNode(KubeObject, frozen=True, kw_only=True):
    """A Node with its whole specification; its status, which beats, is left out."""

    metadata: WholeMeta = WholeMeta()
    spec: msgspec.Raw = msgspec.Raw(b"{}")


WHOLE_POD = Kind("", "v1", "Pod", "pods", namespaced=True, type=WholePod)
WHOLE_NODE = Kind("", "v1", "Node", "nodes", namespaced=False, type=WholeNode)
