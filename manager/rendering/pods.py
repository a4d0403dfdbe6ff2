"""Pods with what templates see around them: from files, without a cluster, or from a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from api.codec import DecodeError, JSONObject, JSONValue, convert, to_json
from api.meta import ObjectKey, OwnerReference
from api.whole import WholeMeta
from registrar.claims.rendering import Owner
from registrar.errors import InvalidField

NO_UID = "00000000-0000-0000-0000-000000000000"
"""Of what a file has and no cluster has seen."""

_NODE = "node"
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPod:
    """One Pod. ``made_up`` names what is not known and stands in for the real one.

    ``owner`` None: a link of its chain of controllers is not known.
    """

    key: ObjectKey
    uid: str
    metadata: JSONObject
    spec: JSONObject
    node_metadata: JSONObject
    node_spec: JSONObject
    namespace_labels: Mapping[str, str]
    owner: Owner | None
    services: tuple[str, ...] = ()
    made_up: tuple[str, ...] = ()

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return convert(self.metadata, WholeMeta).labels


@dataclass(slots=True)
class Around:
    """What is known besides Pods, by name; owners by kind, namespace and name."""

    nodes: dict[str, JSONObject] = field(default_factory=dict)
    namespaces: dict[str, JSONObject] = field(default_factory=dict)
    owned: dict[tuple[str, str, str], JSONObject] = field(default_factory=dict)
    services: dict[ObjectKey, tuple[str, ...]] = field(default_factory=dict)
    is_complete: bool = False
    """Whether what is not here is not there: a cluster was asked."""

    def take(self, document: JSONObject) -> None:
        """Take in a Node, a Namespace, or an owner; anything else is left alone."""
        kind, name = document.get("kind"), _metadata(document).name
        if kind == "Node":
            self.nodes[name] = document
        elif kind == "Namespace":
            self.namespaces[name] = document
        elif kind in {"ReplicaSet", "Job"}:
            namespace = _metadata(document).namespace or "default"
            self.owned[str(kind), namespace, name] = document


def flattened(documents: Iterable[JSONObject]) -> Iterator[JSONObject]:
    """The documents, lists such as `kubectl get -o yaml` makes taken apart."""
    for document in documents:
        items = document.get("items")
        if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
            for item in items:
                if isinstance(item, dict):
                    yield item
        else:
            yield document


def pods_in(documents: Iterable[JSONObject]) -> Iterator[JSONObject]:
    """The Pods, and those that workloads would make: one of each."""
    for document in documents:
        if document.get("kind") == "Pod":
            yield document
        elif document.get("kind") in _WORKLOADS:
            yield _pod_of(document)


def _pod_of(workload: JSONObject) -> JSONObject:
    """A Pod as the controller of a workload would make it."""
    meta = _metadata(workload)
    spec = workload.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(template, dict):
        raise InvalidField("spec.template", "", f"{workload.get('kind')} {meta.name} has none")
    metadata = template.get("metadata")
    owner: JSONObject = {
        "apiVersion": workload.get("apiVersion", ""),
        "kind": workload.get("kind", ""),
        "name": meta.name,
        "uid": meta.uid or NO_UID,
        "controller": True,
    }
    return {
        "kind": "Pod",
        "metadata": {
            **(metadata if isinstance(metadata, dict) else {}),
            "name": f"{meta.name}-pod",
            "namespace": meta.namespace,
            "ownerReferences": [owner],
        },
        "spec": template.get("spec", {}),
    }


def seen(pod: JSONObject, around: Around) -> SeenPod:
    """A Pod with what is around it. Raises InvalidField for what is no Pod."""
    meta = _metadata(pod)
    spec = pod.get("spec") or {}
    if not isinstance(spec, dict):
        raise InvalidField("spec", str(spec), f"the Pod {meta.name} has no specification")
    made_up = []
    uid, namespace = meta.uid, meta.namespace or "default"
    if not uid:
        uid, made_up = NO_UID, ["its uid"]
    metadata = _document(to_json(meta)) | {"uid": uid, "namespace": namespace}
    filled: JSONObject = {"serviceAccountName": "default", "nodeName": _NODE}
    filled |= {name: value for name, value in spec.items() if value or name not in filled}
    is_bound = bool(pod_node(pod))
    if not is_bound:
        made_up.append("its Node")
    node = around.nodes.get(str(filled["nodeName"]))
    if node is None:
        if is_bound:
            made_up.append(f"the Node {filled['nodeName']}")
        node = {"metadata": {"name": filled["nodeName"], "uid": NO_UID}, "spec": {}}
    known = around.namespaces.get(namespace)
    labels = {_NAMESPACE_NAME: namespace} if known is None else _metadata(known).labels
    key = ObjectKey(namespace, meta.name)
    return SeenPod(
        key=key,
        uid=uid,
        metadata=metadata,
        spec=filled,
        node_metadata=_document(to_json(_metadata(node))),
        node_spec=_document(node.get("spec") or {}),
        namespace_labels={_NAMESPACE_NAME: namespace, **labels},
        owner=_owner(meta, namespace, around),
        services=around.services.get(key, ()),
        made_up=tuple(made_up),
    )


def pod_node(pod: JSONObject) -> str:
    """The name of the Node that a Pod is bound to; empty for none."""
    spec = pod.get("spec")
    return str(spec.get("nodeName") or "") if isinstance(spec, dict) else ""


def controller_of(meta: WholeMeta) -> OwnerReference | None:
    """The controller among the owners."""
    return next((owner for owner in meta.owner_references if owner.controller), None)


def metadata_of(document: JSONObject) -> WholeMeta:
    """The metadata of an object. Raises InvalidField."""
    return _metadata(document)


def _owner(meta: WholeMeta, namespace: str, around: Around) -> Owner | None:
    """Who is at the end of the chain, as `OwnerCaches` finds it; a Pod of its own owns itself."""
    owner = controller_of(meta)
    if owner is None:
        return Owner("Pod", meta.name)
    if owner.kind not in {"ReplicaSet", "Job"}:
        return Owner(owner.kind, owner.name)
    link = around.owned.get((owner.kind, namespace, owner.name))
    if link is None:
        return None if around.is_complete else Owner(owner.kind, owner.name)
    above = controller_of(_metadata(link))
    return Owner(owner.kind, owner.name) if above is None else Owner(above.kind, above.name)


def _metadata(document: JSONObject) -> WholeMeta:
    try:
        return convert(document.get("metadata") or {}, WholeMeta)
    except DecodeError as error:
        raise InvalidField("metadata", "", str(error)) from error


def _document(value: JSONValue) -> JSONObject:
    return value if isinstance(value, dict) else {}
