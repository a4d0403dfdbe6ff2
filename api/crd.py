"""CustomResourceDefinitions, made from the typed structs of the kinds.

``hack/generate.py`` writes them below ``config/crd``; the demo and the tests
apply the same documents.
"""

import inspect
from copy import deepcopy
from dataclasses import dataclass

import msgspec
from msgspec.inspect import (
    BoolType,
    DictType,
    Field,
    IntType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from .codec import JSONObject, JSONValue
from .kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIFFE_ID,
    SPIRE_ENTRY,
    Kind,
)
from .meta import KubeObject


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``; those with a priority above 0 need ``-o wide``."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class CustomKind:
    """What a CRD says beside the schema."""

    kind: Kind[KubeObject]
    singular: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()


_READY = Column(
    "Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it is in force"
)
_REASON = Column(
    "Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is, or is not"
)
_MESSAGE = Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1)
_AGE = Column("Age", ".metadata.creationTimestamp", type="date")
_SPIFFE_ID = Column("SPIFFE ID", ".spec.spiffeId", description="The identity")
_ENTRY_ID = Column("Entry ID", ".status.entryId", description="Entry on the SPIRE server")

CUSTOM_KINDS: tuple[CustomKind, ...] = (
    CustomKind(
        CLUSTER_SPIFFE_ID,
        singular="clusterspiffeid",
        short_names=("cspid",),
        columns=(
            _SPIFFE_ID,
            _ENTRY_ID,
            _READY,
            _REASON,
            Column("SpireEntry", ".status.spireEntry", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    CustomKind(
        SPIRE_ENTRY,
        singular="spireentry",
        short_names=("spentry",),
        columns=(
            _SPIFFE_ID,
            _ENTRY_ID,
            _READY,
            _REASON,
            Column("Parent ID", ".spec.parentId", priority=1),
            Column("Selectors", ".spec.selectors", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    CustomKind(
        SPIFFE_ID,
        singular="spiffeid",
        short_names=("spid",),
        columns=(
            _SPIFFE_ID,
            _ENTRY_ID,
            _READY,
            _REASON,
            Column("SpireEntry", ".status.spireEntry", priority=1),
            Column("Parent ID", ".spec.parentId", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    # The names of these three are the original's, which has no short ones.
    CustomKind(
        CLUSTER_SPIFFEID,
        singular="clusterspiffeid",
        columns=(
            Column("Pods", ".status.stats.podsSelected", type="integer"),
            Column("Entries", ".status.stats.entriesToSet", type="integer"),
            _READY,
            _REASON,
            Column("Masked", ".status.stats.entriesMasked", type="integer", priority=1),
            Column("Template", ".spec.spiffeIDTemplate", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    CustomKind(
        CLUSTER_STATIC_ENTRY,
        singular="clusterstaticentry",
        columns=(
            Column("SPIFFE ID", ".spec.spiffeID", description="The identity"),
            Column("Set", ".status.set", type="boolean", description="Whether SPIRE holds it"),
            _READY,
            _REASON,
            Column("Masked", ".status.masked", type="boolean", priority=1),
            Column("Parent ID", ".spec.parentID", priority=1),
            Column("Selectors", ".spec.selectors", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    CustomKind(
        CLUSTER_FEDERATED_TRUST_DOMAIN,
        singular="clusterfederatedtrustdomain",
        columns=(
            Column("Trust Domain", ".spec.trustDomain"),
            Column("Endpoint URL", ".spec.bundleEndpointURL"),
            _READY,
            _REASON,
            Column(
                "Bundle",
                '.status.conditions[?(@.type=="BundleAvailable")].status',
                description="Whether SPIRE holds the bundle",
            ),
            Column(
                "Fresh",
                '.status.conditions[?(@.type=="BundleFresh")].status',
                description="Whether SPIRE could fetch the bundle last time",
            ),
            Column("Owned", ".status.owned", type="boolean", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
)


def crd(custom: CustomKind) -> JSONObject:
    """The CustomResourceDefinition of one kind, as a document to apply."""
    kind = custom.kind
    version: JSONObject = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema(kind)},
        "additionalPrinterColumns": [_column(column) for column in custom.columns],
    }
    if kind.has_status_subresource:
        version["subresources"] = {"status": {}}
    names: JSONObject = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": custom.singular,
    }
    if custom.short_names:
        names["shortNames"] = list(custom.short_names)
    names["categories"] = ["spiffe"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": names,
            "versions": [version],
        },
    }


def _column(column: Column) -> JSONObject:
    document: JSONObject = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.json_path,
    }
    if column.priority:
        document["priority"] = column.priority
    if column.description:
        document["description"] = column.description
    return document


def _root_schema(kind: Kind[KubeObject]) -> JSONObject:
    """The schema of the whole object; the API server itself knows ``metadata``."""
    info = type_info(kind.type)
    if not isinstance(info, StructType):
        raise TypeError(f"{kind.kind} is not a struct")
    properties: JSONObject = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    own = [f for f in info.fields if f.name not in {"api_version", "kind", "metadata"}]
    properties |= {f.encode_name: _schema(f.type) for f in own}
    schema: JSONObject = {
        "type": "object",
        "description": _description(kind.type),
        "properties": properties,
    }
    required: list[JSONValue] = [f.encode_name for f in own if f.required]
    if required:
        schema["required"] = required
    return schema


def _schema(info: Type) -> JSONObject:
    """The structural schema of one type (Kubernetes API documentation, CRD validation)."""
    description = ""
    extra: JSONObject = {}
    while isinstance(info, Metadata):
        described = info.extra_json_schema or {}
        description = str(described.get("description", description))
        extra = {**{k: v for k, v in described.items() if k != "description"}, **extra}
        info = info.type
    schema = _plain_schema(info)
    if description:
        schema["description"] = description
    # Types share these; in a document shared parts would become YAML aliases.
    return {**schema, **deepcopy(extra)}


def _plain_schema(info: Type) -> JSONObject:
    match info:
        case StrType():
            return {"type": "string"}
        case BoolType():
            return {"type": "boolean"}
        case IntType():
            return {"type": "integer"}
        case DictType():
            return {"type": "object", "additionalProperties": _schema(info.value_type)}
        case VarTupleType():
            return {"type": "array", "items": _schema(info.item_type)}
        case StructType():
            return _struct_schema(info.cls, info.fields)
        case UnionType(types=(inner, NoneType())):
            # None is how the type says "absent"; null itself stays refused.
            return _schema(inner)
        case _:
            raise TypeError(f"no schema for {info}")


def _struct_schema(cls: type[msgspec.Struct], fields: tuple[Field, ...]) -> JSONObject:
    schema: JSONObject = {
        "type": "object",
        "description": _description(cls),
        "properties": {f.encode_name: _schema(f.type) for f in fields},
    }
    required: list[JSONValue] = [f.encode_name for f in fields if f.required]
    if required:
        schema["required"] = required
    return schema


def _description(cls: type[msgspec.Struct]) -> str:
    """The class docstring, one paragraph a line."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    return "\n".join(" ".join(p.split()) for p in paragraphs)
