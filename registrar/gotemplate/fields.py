"""Fields and methods: the only ways into data. Nothing of Python can be reached by them."""

from collections.abc import Sequence

from registrar.gotemplate.arguments import MISSING, Argument, Passed, validated
from registrar.gotemplate.frames import Frame
from registrar.gotemplate.values import (
    Interface,
    Map,
    Method,
    Pointer,
    Struct,
    Typed,
    Value,
    indirect,
    type_of,
)


def look_up(receiver: Value, name: str, frame: Frame) -> Value:
    """A field, a map's entry, or what a method without arguments gives."""
    target = receiver.target if type(receiver) is Pointer else receiver
    # The way that nearly all go: a struct, or a pointer to one.
    if isinstance(target, Struct) and name not in target.type.methods:
        try:
            return target.field(name)
        except KeyError:
            pass
    return look_up_with(receiver, name, frame, None)


def look_up_with(
    receiver: Value,
    name: str,
    frame: Frame,
    dot: Value,
    arguments: Sequence[Argument] = (),
    final: Passed = MISSING,
) -> Value:
    """The same with arguments, which only methods take.

    They are evaluated when it is sure that they are needed. ``final`` is the
    value of the stage before, if there is one. Raises TemplateExecError.
    """
    if receiver is None:
        return None
    typ = type_of(receiver).name
    target, is_nil = indirect(receiver)
    if is_nil and isinstance(target, Interface):
        frame.fail(f"nil pointer evaluating {typ}.{name}")
    method = find_method(target, name)
    if method is not None:
        return _call(target, name, method, frame, dot, (arguments, final))
    has_arguments = bool(arguments) or final is not MISSING
    if isinstance(target, Struct):
        if name in target.type.unexported:
            frame.fail(f"{name} is an unexported field of struct type {typ}")
        try:
            found = target.field(name)
        except KeyError:
            frame.fail(f"can't evaluate field {name} in type {typ}")
        if has_arguments:
            frame.fail(f"{name} has arguments but cannot be invoked as function")
        return found
    if isinstance(target, Map) and target.type.key is not None:
        if target.type.key.name in {"string", "interface {}"}:
            if has_arguments:
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


def _call(
    target: Value,
    name: str,
    method: Method,
    frame: Frame,
    dot: Value,
    given: tuple[Sequence[Argument], Passed],
) -> Value:
    wanted, place = method.parameters, frame.place
    arguments, final = given
    count = len(arguments) + (final is not MISSING)
    if count != len(wanted):
        frame.fail(f"wrong number of args for {name}: want {len(wanted)} got {count}")
    values = [
        argument.value(frame, dot, typ) for argument, typ in zip(arguments, wanted, strict=False)
    ]
    if final is not MISSING:
        values.append(validated(final, wanted[-1], frame))
    if isinstance(target, Pointer) and not method.takes_nil:
        frame.place = place
        lost = "runtime error: invalid memory address or nil pointer dereference"
        frame.fail(f"error calling {name}: {lost}")
    try:
        return method.call(target, values)
    except ValueError as error:
        frame.place = place
        frame.fail(f"error calling {name}: {error}")
