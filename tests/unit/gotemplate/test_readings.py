"""Lists and maps whose elements are converted when they are asked for."""

from registrar.gotemplate.readings import ReadList, ReadMap
from registrar.gotemplate.values import Value


def read(raw: object) -> Value:
    return f"<{raw}>"


def test_a_list_converts_what_is_asked_for() -> None:
    made = ReadList([1, 2, 3], read)
    assert (len(made), made[1], made[-1], list(made)) == (3, "<2>", "<3>", ["<1>", "<2>", "<3>"])
    assert list(made[1:]) == ["<2>", "<3>"]


def test_a_map_converts_what_is_asked_for() -> None:
    made = ReadMap({"a": 1, "b": 2}, read)
    assert (len(made), made["a"], made.get("c"), dict(made)) == (
        2,
        "<1>",
        None,
        {"a": "<1>", "b": "<2>"},
    )
