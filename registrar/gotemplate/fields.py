"""Fields and methods: the only ways into data. Nothing of Python can be reached by them."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from registrar.gotemplate.nodes import Bool, Nil, Number, Operand
from registrar.gotemplate.values import (
    GoType,
    Map,
    Method,
    NilInterface,
    Pointer,
    Struct,
    Typed,
    Value,
    indirect,
    plain,
    type_of,
    zero,
)

Fail = Callable[[str], NoReturn]


def look_up(receiver: Value, name: str, fail: Fail) -> Value:
    """A field, a map's entry, or what a method without arguments gives."""
    if receiver is None:
        return None
    target = receiver
    if type(receiver) is Pointer:
        inner = receiver.target
        # The way that nearly all go: a pointer to a struct.
        if isinstance(inner, Struct) and name not in inner.type.methods:
            target = inner
    if isinstance(target, Struct) and name not in target.type.methods:
        try:
            return target.field(name)
        except KeyError:
            fail(f"can't evaluate field {name} in type {type_of(receiver).name}")
    return _other(receiver, name, fail)


def _other(receiver: Value, name: str, fail: Fail) -> Value:
    typ = type_of(receiver).name
    target, is_nil = indirect(receiver)
    if isinstance(target, NilInterface):
        fail(f"nil pointer evaluating {typ}.{name}")
    method = find_method(target, name)
    if method is not None:
        return _call(target, name, method, (), fail)
    if isinstance(target, Struct):
        try:
            return target.field(name)
        except KeyError:
            pass
    elif isinstance(target, Map) and target.type.key is not None:
        if target.type.key.name in {"string", "interface {}"}:
            return None if target.items is None else target.items.get(name)
    elif isinstance(target, Pointer):
        elem = target.type.elem
        if is_nil and (elem is None or elem.kind != "struct" or name in elem.fields):
            fail(f"nil pointer evaluating {typ}.{name}")
    fail(f"can't evaluate field {name} in type {typ}")


def find_method(target: Value, name: str) -> Method | None:
    """A method of a value that Go would find there."""
    if isinstance(target, Pointer):
        return None if target.type.elem is None else target.type.elem.methods.get(name)
    if not isinstance(target, Struct | Typed | Map):
        return None
    method = target.type.methods.get(name)
    if method is None or not method.needs_pointer:
        return method
    return method if isinstance(target, Struct) and target.is_addressable else None


def call_method(
    receiver: Value,
    name: str,
    given: Sequence[Value],
    fail: Fail,
    sources: Sequence[tuple[Operand, Fail]],
) -> Value:
    """A method with arguments; fields and entries of maps take none."""
    if receiver is None:
        return None
    target, _ = indirect(receiver)
    method = find_method(target, name)
    if method is not None:
        for (source, complain), wanted in zip(sources, method.parameters, strict=False):
            if isinstance(source, Nil):
                complain(f"cannot assign nil to {wanted.name}")
            if wanted.kind == "string" and isinstance(source, Bool | Number):
                complain(f"expected string; found {source}")
        return _call(target, name, method, given, fail)
    if isinstance(target, Struct):
        try:
            target.field(name)
        except KeyError:
            fail(f"can't evaluate field {name} in type {type_of(receiver).name}")
        fail(f"{name} has arguments but cannot be invoked as function")
    if isinstance(target, Map):
        fail(f"{name} is not a method but has arguments")
    fail(f"can't evaluate field {name} in type {type_of(receiver).name}")


def _call(target: Value, name: str, method: Method, given: Sequence[Value], fail: Fail) -> Value:
    wanted = method.parameters
    if len(given) != len(wanted):
        fail(f"wrong number of args for {name}: want {len(wanted)} got {len(given)}")
    arguments = [_of_type(value, typ, fail) for value, typ in zip(given, wanted, strict=True)]
    if isinstance(target, Pointer) and target.target is None:
        lost = "runtime error: invalid memory address or nil pointer dereference"
        fail(f"error calling {name}: {lost}")
    try:
        return method.call(target, arguments)
    except ValueError as error:
        fail(f"error calling {name}: {error}")


def _of_type(value: Value, wanted: GoType, fail: Fail) -> Value:
    """An argument of the type that a parameter has."""
    if value is None:
        if wanted.kind in {"map", "slice", "ptr", "interface"}:
            return zero(wanted)
        fail(f"invalid value; expected {wanted.name}")
    got = type_of(value)
    if got.name == wanted.name or wanted.kind == "interface":
        return value
    if isinstance(value, Pointer) and got.elem is not None and got.elem.name == wanted.name:
        if value.target is None:
            fail(f"dereference of nil pointer of type {wanted.name}")
        return value.target
    fail(f"wrong type for value; expected {wanted.name}; got {got.name}")


def sorted_items(value: Map) -> list[tuple[Value, Value]]:
    """The entries of a map in the order that Go prints and ranges over them."""
    if not value.items:
        return []
    items = [(_key(value, key), element) for key, element in value.items.items()]
    if value.type.key is not None and value.type.key.kind == "string":
        return sorted(
            items, key=lambda item: str(plain(item[0])).encode("utf-8", "surrogateescape")
        )
    return sorted(items, key=lambda item: plain(item[0]))  # type: ignore[arg-type, return-value]


def _key(value: Map, key: "str | int | float | bool") -> Value:
    typ = value.type.key
    if typ is None or typ.name in {"string", "int", "bool", "float64", "interface {}"}:
        return key
    return Typed(typ, key)
