"""Pods and Nodes as templates see them: Go's names and types over decoded JSON.

The table of fields is made from Kubernetes' own Go types (``kubernetes_types.json``,
see ``hack/generate.py``). A field is converted when it is asked for: a Pod has
hundreds, a template reads two. Methods that change or encode an object do not
exist here; the text of a whole object, which Go writes for debugging, neither.
"""

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

from registrar.gotemplate.gotime import META_TIME, TIME_METHODS, parsed_time
from registrar.gotemplate.quantity import QUANTITY, Quantity, parsed_quantity
from registrar.gotemplate.readings import Read, ReadList, ReadMap
from registrar.gotemplate.values import (
    BASIC,
    GoType,
    Map,
    Method,
    PlainStruct,
    Pointer,
    Slice,
    Struct,
    Typed,
    Value,
    map_of,
    plain,
    pointer_to,
    slice_of,
    zero,
)

# Read when the module is: a file must not be read on an event loop.
_TABLE = Path(__file__).with_name("kubernetes_types.json").read_text(encoding="utf-8")
_GETTERS = (
    "Name", "GenerateName", "Namespace", "SelfLink", "UID", "ResourceVersion", "Generation",
    "CreationTimestamp", "DeletionTimestamp", "DeletionGracePeriodSeconds", "Labels",
    "Annotations", "Finalizers", "OwnerReferences", "ManagedFields",
)  # fmt: skip

_SMALL_INTEGER = re.compile("[+-]?[0-9]{1,18}")


class KubeStruct(Struct):
    """A struct over a JSON object."""

    __slots__ = ("_raw", "_shape")

    def __init__(self, shape: "_Shape", raw: object, *, is_addressable: bool = True) -> None:
        super().__init__(shape.type, is_addressable=is_addressable)
        self._shape = shape
        self._raw: Mapping[str, object] = raw if isinstance(raw, dict) else {}

    def field(self, name: str) -> Value:
        """A field, converted now."""
        key, read = self._shape.reads[name]
        # What is embedded lies in the same object.
        return read(self._raw.get(key) if key else self._raw)

    def is_at(self, other: Struct) -> bool:
        """Whether both are made of the same object; each reading of a field makes a new one."""
        return isinstance(other, KubeStruct) and self._raw is other._raw  # noqa: SLF001 - our class


class _Shape:
    """How the fields of one struct type are read."""

    def __init__(self, type_: GoType) -> None:
        self.type = type_
        self.reads: dict[str, tuple[str, Read]] = {}


class _Types:
    """The table, made into types and readers as they are asked for."""

    def __init__(self, table: Mapping[str, Mapping[str, object]]) -> None:
        self._table = table
        self._types: dict[str, GoType] = {
            "meta.Time": META_TIME,
            "resource.Quantity": QUANTITY,
        }
        self._shapes: dict[str, _Shape] = {}
        self._reads: dict[str, Read] = {}

    def type(self, ref: str) -> GoType:
        """The type that a reference means."""
        known = self._types.get(ref)
        if known is None:
            known = self._types[ref] = self._new_type(ref)
        return known

    def _new_type(self, ref: str) -> GoType:
        if ref in BASIC:
            return BASIC[ref]
        if ref.startswith("*"):
            return pointer_to(self.type(ref[1:]))
        if ref.startswith("[]"):
            return slice_of(self.type(ref[2:]))
        if ref.startswith("map["):
            key, _, elem = ref[4:].partition("]")
            return map_of(self.type(key), self.type(elem))
        row = self._table[ref]
        name, kind = str(row["name"]), str(row["kind"])
        if kind == "struct":
            return GoType(
                name,
                "struct",
                fields=tuple(field[0] for field in _rows(row)),
                promoted=self._promoted(row),
                methods=_methods(ref, name, str(row.get("text", ""))),
            )
        if row.get("of"):
            of = self.type(str(row["of"]))
            methods = _RESOURCES if ref == "core.ResourceList" else {}
            return GoType(name, kind, elem=of.elem, key=of.key, methods=methods)
        return GoType(name, kind, methods=_NAMED_TEXT if row.get("text") else {})

    def _promoted(self, row: Mapping[str, object]) -> tuple[str, ...]:
        """The names that the embedded structs of a struct give it."""
        embedded = (self.type(ref) for _, _, ref, *rest in _rows(row) if rest)
        return tuple(name for typ in embedded for name in sorted(typ.names))

    def read(self, ref: str) -> Read:
        """The reader of a reference."""
        known = self._reads.get(ref)
        if known is None:
            known = self._reads[ref] = self._new_read(ref)
        return known

    def _new_read(self, ref: str) -> Read:
        if ref == "string":
            return lambda raw: raw if isinstance(raw, str) else ""
        if ref == "meta.Time":
            return lambda raw: parsed_time(META_TIME, raw)
        if ref == "meta.MicroTime":
            micro = GoType("v1.MicroTime", "struct", fields=("Time",), methods=TIME_METHODS)
            return lambda raw: parsed_time(micro, raw)
        if ref == "resource.Quantity":
            return parsed_quantity
        if ref == "intstr.IntOrString":
            return _int_or_string
        if ref.startswith("*"):
            return self._pointer(ref)
        typ = self.type(ref)
        if typ.kind == "slice":
            return self._slice(typ, ref)
        if typ.kind == "map":
            return self._map(typ, ref)
        if typ.kind == "struct":
            return lambda raw: KubeStruct(self.shape(ref), raw)
        return _basic(typ)

    def _pointer(self, ref: str) -> Read:
        typ, inner = self.type(ref), ref[1:]
        nil = Pointer(typ)
        return lambda raw: nil if raw is None else Pointer(typ, self.read(inner)(raw))

    def _slice(self, typ: GoType, ref: str) -> Read:
        inner = ref[2:] if ref.startswith("[]") else str(self._table[ref]["of"])[2:]
        nil = Slice(typ)

        def read(raw: object) -> Value:
            if not isinstance(raw, list):
                return nil
            return Slice(typ, ReadList(raw, self.read(inner)))

        return read

    def _map(self, typ: GoType, ref: str) -> Read:
        of = ref if ref.startswith("map[") else str(self._table[ref]["of"])
        inner = of[4:].partition("]")[2]
        nil = Map(typ)

        def read(raw: object) -> Value:
            if not isinstance(raw, dict):
                return nil
            if inner == "string":
                return Map(typ, raw)
            if inner == "resource.Quantity":
                # What lies in a map has no address in Go.
                return Map(typ, ReadMap(raw, partial(parsed_quantity, is_addressable=False)))
            return Map(typ, ReadMap(raw, self.read(inner)))

        return read

    def shape(self, ref: str) -> _Shape:
        """How a struct's fields are read, those that embedded ones promote included."""
        known = self._shapes.get(ref)
        if known is not None:
            return known
        shape = self._shapes[ref] = _Shape(self.type(ref))
        embedded = []
        for name, key, of, *rest in _rows(self._table[ref]):
            is_inline = bool(rest) and not key
            shape.reads[name] = ("" if is_inline else key, self.read(of))
            if rest:
                embedded.append((name, key, of))
        for _, key, of in embedded:
            for name, (inner, read) in self.shape(of).reads.items():
                if not key:
                    shape.reads.setdefault(name, (inner, read))
        return shape


def _rows(row: Mapping[str, object]) -> Sequence[Sequence[str]]:
    fields = row.get("fields", ())
    return fields if isinstance(fields, list) else ()


def _basic(typ: GoType) -> Read:
    """The reader of a boolean, number or named text."""
    nothing = zero(typ)
    native = type(nothing.value) if isinstance(nothing, Typed) else type(nothing)

    def read(raw: object) -> Value:
        if isinstance(raw, bool) is not (native is bool) or not isinstance(raw, native):
            return nothing
        if isinstance(raw, int) and raw.bit_length() > typ.bits:
            # No API server takes it; a number of thousands of digits has no text in Python.
            return nothing
        return Typed(typ, raw) if isinstance(nothing, Typed) else raw  # type: ignore[arg-type]

    return read


def _methods(ref: str, name: str, text_on: str) -> Mapping[str, Method]:
    """The methods of a struct; ``text_on`` tells where its String method is, if there is one."""

    def text(receiver: Value, _: Sequence[Value]) -> Value:
        if isinstance(receiver, Pointer):
            return "nil"
        raise ValueError(f"a whole {name} has no text: name the field that you mean")

    on_pointer = text_on == "pointer"
    methods: dict[str, Method] = {}
    if text_on:
        methods["String"] = Method(text, needs_pointer=on_pointer, takes_nil=on_pointer)
    if ref == "meta.ObjectMeta":
        methods |= {f"Get{field}": _getter(field) for field in _GETTERS}
    return methods


def _getter(field: str) -> Method:
    def get(receiver: Value, _: Sequence[Value]) -> Value:
        if not isinstance(receiver, Struct):
            raise TypeError("not an ObjectMeta")
        return receiver.field(field)

    return Method(get, needs_pointer=True)


def _resource(name: str) -> Method:
    """A pointer to the amount of one resource; zero where it is not listed."""

    def get(receiver: Value, _: Sequence[Value]) -> Value:
        items = receiver.items if isinstance(receiver, Map) else None
        held = (items or {}).get(name)
        amount = held.amount if isinstance(held, Quantity) else Fraction(0)
        family = held.family if isinstance(held, Quantity) else "DecimalSI"
        return Pointer(pointer_to(QUANTITY), Quantity(amount, family))

    return Method(get)


_NAMED_TEXT: Mapping[str, Method] = MappingProxyType(
    {"String": Method(lambda receiver, _: plain(receiver))}
)
_RESOURCES: Mapping[str, Method] = MappingProxyType(
    {
        "Cpu": _resource("cpu"),
        "Memory": _resource("memory"),
        "Storage": _resource("storage"),
        "Pods": _resource("pods"),
        "StorageEphemeral": _resource("ephemeral-storage"),
    }
)


def _int_or_string(raw: object) -> Value:
    is_text = isinstance(raw, str)
    number = raw if isinstance(raw, int) and not isinstance(raw, bool) else 0
    if number.bit_length() > BASIC["int32"].bits:
        number = 0
    return PlainStruct(
        INT_OR_STRING,
        {
            "Type": Typed(_INT_OR_STRING_KIND, 1 if is_text else 0),
            "IntVal": Typed(BASIC["int32"], number),
            "StrVal": raw if isinstance(raw, str) else "",
        },
    )


def _int_or_string_text(receiver: Value, _: Sequence[Value]) -> Value:
    if isinstance(receiver, Pointer):
        return "<nil>"
    if not isinstance(receiver, Struct):
        raise TypeError("not an IntOrString")
    text, number = receiver.field("StrVal"), receiver.field("IntVal")
    kind = receiver.field("Type")
    is_text = isinstance(kind, Typed) and kind.value == 1
    return text if is_text else str(number.value if isinstance(number, Typed) else 0)


def _int_or_string_value(receiver: Value, given: Sequence[Value]) -> Value:
    text = str(_int_or_string_text(receiver, given))
    return int(text) if _SMALL_INTEGER.fullmatch(text) else 0


_INT_OR_STRING_KIND = GoType("intstr.Type", "int64")
INT_OR_STRING = GoType(
    "intstr.IntOrString",
    "struct",
    fields=("Type", "IntVal", "StrVal"),
    methods={
        "String": Method(_int_or_string_text, needs_pointer=True, takes_nil=True),
        "IntValue": Method(_int_or_string_value, needs_pointer=True),
    },
)
_OWNER = GoType("main.Owner", "struct", fields=("Kind", "Name"))
_DATA = GoType(
    "main.TemplateData",
    "struct",
    fields=(
        "TrustDomain", "ClusterName", "ClusterDomain", "PodMeta", "PodSpec", "NodeMeta",
        "NodeSpec", "Owner",
    ),
)  # fmt: skip
_POINTER = pointer_to(_DATA)


@cache
def _types() -> _Types:
    return _Types(json.loads(_TABLE))


def pod_data(  # noqa: PLR0913 - one by keyword for each field of the data
    *,
    trust_domain: str,
    cluster_name: str,
    cluster_domain: str,
    pod_metadata: Mapping[str, object] | None,
    pod_spec: Mapping[str, object] | None,
    node_metadata: Mapping[str, object] | None,
    node_spec: Mapping[str, object] | None,
    owner_kind: str = "",
    owner_name: str = "",
) -> Value:
    """The data of one Pod's templates, out of decoded JSON."""
    read = _types().read
    meta, owner = read("*meta.ObjectMeta"), {"Kind": owner_kind, "Name": owner_name}
    return Pointer(
        _POINTER,
        PlainStruct(
            _DATA,
            {
                "TrustDomain": trust_domain,
                "ClusterName": cluster_name,
                "ClusterDomain": cluster_domain,
                "PodMeta": meta(pod_metadata),
                "PodSpec": read("*core.PodSpec")(pod_spec),
                "NodeMeta": meta(node_metadata),
                "NodeSpec": read("*core.NodeSpec")(node_spec),
                "Owner": PlainStruct(_OWNER, owner),
            },
        ),
    )
