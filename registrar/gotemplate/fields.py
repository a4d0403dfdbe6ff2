"""Fields and methods: the only ways into data. Nothing of Python can be reached by them."""

from collections.abc import Sequence

from registrar.gotemplate.arguments import MISSING, Call, validated
from registrar.gotemplate.frames import Frame, Place
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.values import (
    Interface,
    Map,
    Method,
    Pointer,
    Struct,
    Typed,
    Value,
    indirect,
    plain,
    type_of,
)


def look_up(receiver: Value, name: str, frame: Frame, place: Place) -> Value:
    """A field, a map's entry, or what a method without arguments gives.

    ``place`` is the node that it belongs to. Raises TemplateExecError.
    """
    target = receiver.target if type(receiver) is Pointer else receiver
    # The way that nearly all go: a struct, or a pointer to one.
    if isinstance(target, Struct) and name not in target.type.methods:
        try:
            return target.field(name)
        except KeyError:
            pass
    return look_up_with(receiver, name, frame, None, Call(place))


def look_up_with(receiver: Value, name: str, frame: Frame, dot: Value, call: Call) -> Value:
    """The same with arguments, which only methods take.

    They are evaluated when it is sure that they are needed. Raises TemplateExecError.
    """
    if receiver is None:
        return None
    typ = type_of(receiver).name
    target, is_nil = indirect(receiver)
    if is_nil and isinstance(target, Interface):
        frame.fail(f"nil pointer evaluating {typ}.{name}")
    method = find_method(target, name)
    if method is not None:
        values = _arguments(name, method, frame, dot, call)
        try:
            return _called(target, name, method, values, frame.meter)
        except ValueError as error:
            frame.place = call.place
            frame.fail(f"error calling {name}: {error}")
    if isinstance(target, Struct):
        if name in target.type.unexported:
            frame.fail(f"{name} is an unexported field of struct type {typ}")
        try:
            found = target.field(name)
        except KeyError:
            frame.fail(f"can't evaluate field {name} in type {typ}")
        if call.count:
            frame.fail(f"{name} has arguments but cannot be invoked as function")
        return found
    if isinstance(target, Map) and target.type.key is not None:
        if target.type.key.name in {"string", "interface {}"}:
            if call.count:
                frame.fail(f"{name} is not a method but has arguments")
            return None if target.items is None else target.items.get(name)
    elif isinstance(target, Pointer):
        elem = target.type.elem
        if elem is None or elem.kind != "struct" or name in elem.names:
            frame.fail(f"nil pointer evaluating {typ}.{name}")
    frame.fail(f"can't evaluate field {name} in type {typ}")


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


def _arguments(name: str, method: Method, frame: Frame, dot: Value, call: Call) -> Sequence[Value]:
    """The arguments, of the types that the method asks for."""
    wanted = method.parameters
    if call.count != len(wanted):
        frame.fail(f"wrong number of args for {name}: want {len(wanted)} got {call.count}")
    values = [
        argument.value(frame, dot, typ)
        for argument, typ in zip(call.arguments, wanted, strict=False)
    ]
    if call.final is not MISSING:
        values.append(validated(call.final, wanted[-1], frame))
    return values


def _called(
    target: Value, name: str, method: Method, values: Sequence[Value], meter: Meter
) -> Value:
    """What the method gives, charged by the texts that go in and come out.

    Raises ValueError with the words of Go.
    """
    meter.step()
    for text in map(plain, values):
        if isinstance(text, str):
            meter.spell(len(text))
    if isinstance(target, Pointer) and target.type.elem is not None and not method.takes_nil:
        typ = target.type.elem
        if method.needs_pointer or name in typ.promoted:
            raise ValueError("runtime error: invalid memory address or nil pointer dereference")
        short = typ.name.rpartition(".")[2]
        raise ValueError(f"value method {typ.name}.{name} called using nil *{short} pointer")
    made = method.call(target, values)
    if isinstance(made, str):
        meter.text(len(made))
    return made
