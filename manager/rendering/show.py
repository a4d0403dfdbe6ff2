"""How what was rendered is shown: by object and Pod, the place of an error marked."""

from collections.abc import Iterable, Iterator

from api.codec import JSONObject, JSONValue
from manager.rendering.subjects import Problem, Rendered
from registrar.errors import printable


def lines(found: Iterable[Rendered]) -> Iterator[str]:
    """For people. A text alone stands beside its Pod, everything else below it."""
    subject = ""
    for each in found:
        if each.subject != subject:
            yield printable(each.subject)
            subject = each.subject
        if each.pod:
            yield f"  {printable(each.pod)}"
        indent = "    " if each.pod else "  "
        if each.problem is not None:
            yield from (f"{indent}{line}" for line in _of_problem(each.problem))
        for name, values in (each.values or {}).items():
            for number, value in enumerate(values):
                label = name if not number else ""
                yield f"{indent}{label:<16}{printable(value)}"
        for note in each.notes:
            yield f"{indent}note: {printable(note)}"


def _of_problem(problem: Problem) -> Iterator[str]:
    yield f"error: {printable(problem.message)}"
    yield from (f"  {line}" for line in problem.place)


def document(found: Iterable[Rendered]) -> JSONValue:
    """For programs."""
    return {"rendered": [_entry(each) for each in found]}


def _entry(each: Rendered) -> JSONObject:
    values: JSONObject = {}
    for name, texts in (each.values or {}).items():
        listed: list[JSONValue] = [printable(text) for text in texts]
        values[name] = listed
    return {
        "object": printable(each.subject),
        "pod": printable(each.pod),
        "values": values,
        "error": None if each.problem is None else printable(each.problem.message),
        "place": None if each.problem is None else [*each.problem.place],
        "notes": [printable(note) for note in each.notes],
    }
